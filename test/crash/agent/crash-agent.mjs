// The agent of the crash suite. What it does stands in the ticket's body, on a line `script: {…}`. It writes its own
// truth into a file outside of everything that Capstan keeps: what it printed, what it cost, when it lived.
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { hostileWork } from './hostile.mjs';

const directory = process.argv[2];
const script = JSON.parse(/^script: (\{.*\})$/m.exec(readFileSync(0, 'utf8'))[1]);
const run = process.env.CAPSTAN_RUN_ID;
const truth = join(directory, 'runs', `${run}.ndjson`);
const tell = (fact) => appendFileSync(truth, `${JSON.stringify({ at: Date.now(), ...fact })}\n`);
const print = (line) =>
  new Promise((resolve, reject) =>
    process.stdout.write(`${JSON.stringify(line)}\n`, (error) => (error ? reject(error) : resolve())),
  );
const git = (...args) => execFileSync('git', args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });

const file = script.path ?? `work/${script.name}.txt`;
const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
const write = (text) => {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
};
const commit = (message) => {
  if (git('status', '--porcelain') === '') return;
  git('add', '--all');
  git('commit', '--quiet', '--message', message);
};

const work = {
  ...hostileWork({ script, directory, finish: () => work.green() }),
  green: () => (write(`${script.name} is done\n`), commit(`Do ${script.name}`)),
  slow: () => work.green(),
  uncommitted: () => write(`${script.name} is done\n`),
  red_then_green: () =>
    before.includes('RED')
      ? (write(`${script.name} is done\n`), commit(`Mend ${script.name}`))
      : (write('RED\n'), commit(`Try ${script.name}`)),
  red_for_ever: () => (write(`${before}RED again\n`), commit(`Try ${script.name}`)),
  no_changes: () => undefined,
  exits: () => undefined,
  conflict: async () => {
    while (!existsSync(join(directory, 'gates', script.name))) await pause(50);
    write(`${script.name} says something else\n`);
    commit(`Do ${script.name}`);
  },
};

tell({ what: 'start', pid: process.pid, name: script.name });
let costMicros = 0;
for (let line = 1; line <= script.lines; line += 1) {
  await print({ type: 'text', text: `${script.name} line ${line}` });
  tell({ what: 'line', n: line });
  if (line % 3 === 0 || line === script.lines) {
    costMicros += script.micros;
    await print({ type: 'usage', inputTokens: line * 10, outputTokens: line, costUsd: (costMicros / 1e6).toFixed(6) });
    tell({ what: 'cost', micros: costMicros });
  }
  await pause(script.everyMs);
}
await work[script.kind]();
const code = script.kind === 'exits' ? 3 : 0;
if (code === 0) await print({ type: 'result', ok: true });
tell({ what: 'end', code });
process.exitCode = code;
