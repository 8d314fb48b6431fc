import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { startFakeGateway } from './fake-gateway.mjs';
import { parkedRows } from './fake-parked.mjs';
import { makeWorld } from './fake-world.mjs';

/** `npm run dev -w web`: the fake gateway on 4199, and vite in front of it. `--built` serves web/build instead. */
const { values } = parseArgs({
  options: { built: { type: 'boolean' }, empty: { type: 'boolean' }, lines: { type: 'string' } },
});
const world = makeWorld({ empty: values.empty === true, lines: Number(values.lines ?? 24_000) });
if (values.empty !== true) world.parked = parkedRows();
await startFakeGateway({ world });
console.log('Fake gateway: http://127.0.0.1:4199');
if (values.built !== true) {
  const vite = spawn('npx', ['vite', 'dev'], { stdio: 'inherit', cwd: import.meta.dirname + '/..' });
  vite.on('exit', (code) => process.exit(code ?? 0));
}
