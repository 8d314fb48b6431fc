// An agent that listens while it works: ndjson on stdin and stdout. It says each line that it hears, and does what a
// message asks: `write PATH TEXT`, `spend USD`, `turns N`, `finish` (commits and ends). The prompt of a run that goes on
// from an earlier one brings what people wrote meanwhile; with `finish` in it, it ends at once.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
process.on('SIGINT', () => say({ type: 'text', text: 'a signal' }));

const commands = {
  write: (path, ...words) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${words.join(' ')}\n`);
  },
  spend: (costUsd) => say({ type: 'usage', model: 'scripted', costUsd }),
  turns: (turns) => say({ type: 'usage', model: 'scripted', turns: Number(turns) }),
  finish: () => {
    execFileSync('git', ['add', '--all']);
    execFileSync('git', ['commit', '--quiet', '--allow-empty', '--message', 'As I was told']);
    say({ type: 'result', ok: true });
    process.exit(0);
  },
};

createInterface({ input: process.stdin }).on('line', (raw) => {
  const { type, text = '' } = JSON.parse(raw);
  if (type === 'prompt') {
    const told = [...text.matchAll(/^told: (.+)$/gm)].map(([, words]) => words);
    say({ type: 'text', text: `prompted ${told.join(', ')}`.trim() });
    for (const words of told) obey(words);
    return;
  }
  say({ type: 'text', text: `${type} ${text}`.trim() });
  if (type === 'message') obey(text);
});

function obey(text) {
  const [command, ...words] = text.trim().split(' ');
  commands[command]?.(...words);
}
