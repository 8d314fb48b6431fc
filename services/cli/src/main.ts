#!/usr/bin/env node
import { quickStart } from './quick-start.js';

quickStart();
const { runCli } = await import('./commands.js');

// A closed terminal or pipe is no reason to die in the middle of an orderly stop.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

process.exitCode = await runCli(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
});
