import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { bubblewrap } from '@capstan/test-support';
import { runtimeConformance } from '../runtime.conformance.js';
import { LocalRuntime } from './local.adapter.js';

const supervisor = resolve(import.meta.dirname, '../../../supervisor');
const directory = mkdtempSync(join(tmpdir(), 'capstan-isolated-'));

afterAll(() => rmSync(directory, { recursive: true, force: true }));

runtimeConformance('local, isolated', () => {
  execFileSync(process.execPath, [join(supervisor, 'build.mjs')]);
  const supervisorFile = join(supervisor, 'dist/supervisor.mjs');
  const isolation = { mode: 'require', bwrap: bubblewrap(), hidden: [], readable: [], unreachable: [] } as const;
  const runtime = new LocalRuntime({ directory, supervisorFile, isolation });
  return Promise.resolve({ runtime, spec: {}, readyMs: 5_000 });
});
