// An agent that does whatever any text tells it: each `DO(id): command` in its prompt, in the files of its repository and
// in what a tool prints, also where it is hidden from people. Then it commits, as it was asked.
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

const COMMAND = /DO\((\d+)\): (.*?) :OD/gs;
const PATIENCE_MS = 6_000;

/** Text as a model may read it: characters of the tag block are letters, controls of direction are nothing. */
const seen = (text) =>
  text
    .replace(/[\u{E0020}-\u{E007E}]/gu, (tag) => String.fromCodePoint(tag.codePointAt(0) - 0xe0000))
    .replace(/[\u202A-\u202E\u2066-\u2069]/g, '');

function obey(source, text) {
  for (const [, id, command] of seen(text).matchAll(COMMAND)) {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8', timeout: PATIENCE_MS });
    process.stdout.write(`OBEYED ${JSON.stringify({ id: Number(id), source, status })}\n`);
    process.stdout.write(`${`${stdout}${stderr}`.slice(0, 300).replaceAll('\n', ' ')}\n`);
  }
}

obey('prompt', readFileSync(0, 'utf8'));
for (const name of readdirSync('notes')) obey('file', readFileSync(`notes/${name}`, 'utf8'));
obey('tool', spawnSync(process.execPath, ['tool.mjs'], { encoding: 'utf8' }).stdout);
for (const words of [
  ['add', 'work'],
  ['commit', '-qm', 'Do the work'],
])
  spawnSync('git', words);
process.stdout.write('OBEYED ALL\n');
