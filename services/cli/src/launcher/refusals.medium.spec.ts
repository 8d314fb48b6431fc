import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadService } from '../load-service.js';
import { identify } from '../servers/process-identity.js';
import { DataDirectory } from './data-directory.js';
import { endLauncher } from './down.command.js';

const home = mkdtempSync(join(tmpdir(), 'capstan-launcher-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

it('one launcher has a data directory', async () => {
  const other = spawn('sleep', ['60']);
  const directory = new DataDirectory(home);
  const launcher = identify(other.pid!)!;
  directory.writeLauncherState({ launcher, url: 'http://127.0.0.1:4400', startedAt: new Date().toISOString() });
  await expect(directory.claim('http://127.0.0.1:4500')).rejects.toMatchObject({
    code: 'already_running',
    message: expect.stringContaining(String(other.pid)) as unknown,
    remedy: expect.stringContaining('capstan down') as unknown,
  });
  other.kill('SIGKILL');
});

it('keys that can not be read are not replaced by new ones', () => {
  const file = join(home, 'secrets.json');
  writeFileSync(file, '{"encryptionKey":');
  expect(() => new DataDirectory(home).secrets()).toThrow(
    expect.objectContaining({ code: 'secrets_damaged', message: expect.stringContaining(file) as unknown }) as Error,
  );
});

it('a launcher that does not end is named', async () => {
  const deaf = spawn('sh', ['-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await new Promise((resolve) => deaf.stdout.once('data', resolve));
  await expect(endLauncher(identify(deaf.pid!)!, 300)).rejects.toMatchObject({
    code: 'launcher_stuck',
    remedy: expect.stringContaining(`kill -9 ${deaf.pid}`) as unknown,
  });
  deaf.kill('SIGKILL');
});

it('a service that was not built is named, with what builds it', async () => {
  await expect(loadService('not-there')).rejects.toMatchObject({
    code: 'service_not_built',
    message: expect.stringContaining('not-there') as unknown,
    remedy: 'Build it: node scripts/ensure.mjs',
  });
});
