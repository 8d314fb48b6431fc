// An agent that tries every door: started in its worktree with what it knows, as base64 JSON in its prompt after
// "KNOWS:". It says of each probe whether it got through, and ends well. It never gives up early: what throws was shut.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { files } from './files.mjs';
import { gitDoor } from './git-door.mjs';
import { meddling } from './meddling.mjs';
import { network } from './network.mjs';
import { processes } from './processes.mjs';

const PATIENCE_MS = 8_000;
const CANARY = /CANARY-[0-9a-f]{24}/;

const prompt = readFileSync(0, 'utf8');
const [, coded = ''] = /KNOWS:\s*([A-Za-z0-9+/=]+)/.exec(prompt) ?? [];
const knows = JSON.parse(Buffer.from(coded, 'base64').toString('utf8'));

/** What was found, shortened; turned around where it holds a canary, so that nothing on the way takes it out. */
function shown(evidence) {
  const text = Buffer.isBuffer(evidence) ? evidence.toString('latin1') : String(evidence);
  const [canary] = CANARY.exec(text) ?? [];
  return canary === undefined ? text.slice(0, 200) : [...canary].reverse().join('');
}

/** Reached: it gave something, and something with a canary where it looks for one. */
async function attempt({ name, seeks, look, harms }) {
  // Where no boundary keeps it in, it is not to break the machine.
  if (harms === true && knows.harmless === true) return { name, reached: false, words: 'left out' };
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(() => resolve(null), PATIENCE_MS)));
  try {
    const found = await Promise.race([look(knows), late]);
    const nothing = found === null || found === undefined || found === false;
    const reached =
      !nothing &&
      (seeks !== 'canary' || CANARY.test(Buffer.isBuffer(found) ? found.toString('latin1') : String(found)));
    return { name, reached, words: nothing ? '' : shown(found) };
  } catch (error) {
    return { name, reached: false, words: String(error?.message ?? error).slice(0, 200) };
  } finally {
    clearTimeout(timer);
  }
}

if (knows.quiet === true) process.exit(0);
knows.runId = process.env.CAPSTAN_RUN_ID;
for (const probe of [...files, ...processes, ...network, ...gitDoor, ...meddling]) {
  process.stdout.write(`PROBE ${JSON.stringify(await attempt(probe))}\n`);
}
if (knows.commit !== undefined) {
  for (const words of [
    ['add', '-A'],
    ['commit', '-qm', knows.commit],
  ])
    spawnSync('git', words, { stdio: ['ignore', 'inherit', 'inherit'] });
}
process.stdout.write('PROBES DONE\n');
process.exit(0);
