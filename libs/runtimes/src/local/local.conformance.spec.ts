import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { runtimeConformance } from '../runtime.conformance.js';
import { LocalRuntime } from './local.adapter.js';

const supervisor = resolve(import.meta.dirname, '../../../supervisor');
const directory = mkdtempSync(join(tmpdir(), 'capstan-local-'));

afterAll(() => rmSync(directory, { recursive: true, force: true }));

runtimeConformance('local', () => {
  execFileSync(process.execPath, [join(supervisor, 'build.mjs')]);
  const supervisorFile = join(supervisor, 'dist/supervisor.mjs');
  const runtime = new LocalRuntime({ directory, supervisorFile });
  return Promise.resolve({ runtime, spec: {}, readyMs: 5_000 });
});
