// The agent of the system suites: does what the ticket's body says, line by line. A line is `do: COMMAND …`, or
// `do@2: COMMAND …` for the task's second run only. Its state over runs lives in HOME, which is the task's own.
//
//   name NAME            how the test calls it; NAME.RUN.json in the gate directory tells its process and environment
//   print COUNT EVERY    COUNT numbered lines, one each EVERY ms (0: at once)
//   tick GATE EVERY      numbered lines, one each EVERY ms, until the gate is open; then how many
//   write PATH TEXT      a file
//   commit MESSAGE       everything
//   hold GATE            waits until the gate directory has a file of that name
//   spawn                a child in a session of its own, which lives on
//   environment          prints every variable
//   say TEXT             prints it
//   exit CODE
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const gates = process.argv[2];
const prompt = readFileSync(0, 'utf8');
const counter = join(process.env.HOME, 'runs');
const run = (existsSync(counter) ? Number(readFileSync(counter, 'utf8')) : 0) + 1;
writeFileSync(counter, String(run));

const out = (text) =>
  new Promise((resolve, reject) => process.stdout.write(`${text}\n`, (error) => (error ? reject(error) : resolve())));
let name = 'agent';
const children = [];

function tell() {
  const file = join(gates, `${name}.${run}.json`);
  writeFileSync(`${file}.next`, JSON.stringify({ pid: process.pid, children, prompt, environment: process.env }));
  renameSync(`${file}.next`, file);
}

async function print(count, everyMs) {
  const began = performance.now();
  for (let line = 1; line <= count; line += 1) {
    await out(`line ${line} of ${count}`);
    if (everyMs > 0) await pause(Math.max(0, began + line * everyMs - performance.now()));
  }
}

async function tick(gate, everyMs) {
  const began = performance.now();
  let line = 0;
  while (!existsSync(join(gates, gate))) {
    await out(`line ${(line += 1)}`);
    await pause(Math.max(0, began + line * everyMs - performance.now()));
  }
  await out(`printed ${line}`);
}

const commands = {
  name: (given) => ((name = given), tell()),
  print: (count, everyMs) => print(Number(count), Number(everyMs ?? 0)),
  tick: (gate, everyMs) => tick(gate, Number(everyMs)),
  write: (path, ...words) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${words.join(' ')}\n`);
  },
  commit: (...words) => {
    execFileSync('git', ['add', '--all']);
    execFileSync('git', ['commit', '--quiet', '--message', words.join(' ')]);
  },
  hold: async (gate) => {
    while (!existsSync(join(gates, gate))) await pause(20);
  },
  spawn: () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' });
    child.unref();
    children.push(child.pid);
    tell();
  },
  environment: async () => {
    for (const [key, value] of Object.entries(process.env)) await out(`${key}=${value}`);
  },
  say: (...words) => out(words.join(' ')),
  exit: (code) => process.exit(Number(code)),
};

for (const [, only, line] of prompt.matchAll(/^do(?:@(\d+))?: (.+)$/gm)) {
  if (only !== undefined && Number(only) !== run) continue;
  const [command, ...words] = line.trim().split(' ');
  await commands[command](...words);
}
