// The demo's agent: a script in place of a language model. It reads its prompt, runs the tests, looks at what fails,
// mends it and commits, and says what it does in Capstan's small ndjson protocol. Nothing of it is special to the demo's
// ticket: it repairs any arithmetic function whose test says what it should have given.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const text = (words) => say({ type: 'text', text: words });
let calls = 0;

function tool(name, input, work) {
  const id = `call-${(calls += 1)}`;
  say({ type: 'tool_use', id, tool: name, input });
  const { output, failed } = work();
  say({ type: 'tool_result', id, text: output, isError: failed });
  return output;
}

function run(command, ...args) {
  return tool('shell', { command: [command, ...args].join(' ') }, () => {
    const done = spawnSync(command, args, { encoding: 'utf8' });
    return { output: `${done.stdout}${done.stderr}`.trim(), failed: done.status !== 0 };
  });
}

const OPERATORS = ['+', '-', '*', '/'];

/** The source with another operator in the function's body that makes the failing example come out right. */
async function repair(file, name, given, wanted) {
  const source = readFileSync(file, 'utf8');
  const body = new RegExp(`(function ${name}\\([^)]*\\) *\\{[^}]*return [^;]*?)([-+*/])([^;]*;)`);
  for (const operator of OPERATORS) {
    const candidate = source.replace(body, (_all, before, _operator, after) => before + operator + after);
    const module = await import(`data:text/javascript,${encodeURIComponent(candidate)}`);
    if (module[name](...given) === wanted) return { before: source, after: candidate };
  }
  return null;
}

const prompt = readFileSync(0, 'utf8');
const title = /^#+ *(.+)$/m.exec(prompt)?.[1] ?? prompt.split('\n').find((line) => line.trim() !== '') ?? 'the ticket';
text(`I am asked to: ${title.trim()}`);
text('First I want to see what fails.');
const report = run('npm', 'test', '--silent');
const failure = /(\w+)\(([-\d., ]+)\) should be (-?[\d.]+)/.exec(report);
if (failure === null) {
  text('Every test passes: there is nothing for me to do.');
  say({ type: 'result', ok: true });
  process.exit(0);
}
const [, name, list, wanted] = failure;
const given = list.split(',').map(Number);
text(`\`${name}(${list})\` does not give ${wanted}. Let me look at it.`);
const file = readdirSync('src')
  .map((each) => join('src', each))
  .find((each) => readFileSync(each, 'utf8').includes(`function ${name}(`));
tool('read', { path: file }, () => ({ output: readFileSync(file, 'utf8'), failed: false }));
await pause(150); // a moment's thought, so that there is something to watch
const mended = await repair(file, name, given, Number(wanted));
if (mended === null) {
  text('I can not find a change that helps.');
  say({ type: 'result', ok: false, error: { kind: 'other', message: `no operator makes ${name} right` } });
  process.exit(1);
}
tool('edit', { path: file }, () => {
  writeFileSync(file, mended.after);
  return { output: execFileSync('git', ['diff', '--', file], { encoding: 'utf8' }), failed: false };
});
text('Now the tests once more.');
run('npm', 'test', '--silent');
run('git', 'commit', '--quiet', '--all', '--message', `Fix ${name}: ${list.trim()} gives ${wanted}`);
text(`Done: \`${name}\` is right and its test passes.`);
say({
  type: 'usage',
  model: 'scripted',
  inputTokens: prompt.length,
  outputTokens: 420,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  costUsd: '0.00',
});
say({ type: 'result', ok: true });
