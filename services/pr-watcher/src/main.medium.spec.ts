import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '@capstan/database';
import { pullRequestCheck } from '@capstan/events';
import { openHost } from '@capstan/service-kit';
import { aPullRequest, aRepository, aRun, eventually, testDatabase, testNats } from '@capstan/test-support';
import * as prWatcher from './main.js';

jest.setTimeout(60_000);

it('boots, is woken by an event, and ends in order', async () => {
  const server = await testDatabase({ migrate });
  const nats = testNats();
  const directory = mkdtempSync(join(tmpdir(), 'pr-watcher-'));
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    CAPSTAN_DATABASE_URL: server.url,
    CAPSTAN_NATS_URL: nats.url,
    CAPSTAN_NATS_PREFIX: nats.prefix,
    CAPSTAN_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    CAPSTAN_INTERNAL_PORT: '0',
    CAPSTAN_DATA_DIR: directory,
  };
  const host = await openHost({ env, services: [prWatcher], write: () => undefined });
  try {
    const { database } = host;
    const { run } = await aRun(database, await aRepository(database), {
      state: 'finished',
      outcome: { kind: 'no_changes', detail: '' },
      taskState: 'pr_opened',
    });
    const later = new Date(Date.now() + 3_600_000);
    const row = await aPullRequest(database, run, { nextCheckAt: later, parkedAt: later, attempts: 8 });
    await host.start(prWatcher);
    const { workspaceId, taskId } = row;
    await database.transaction((tx) => tx.emit(pullRequestCheck, { workspaceId, taskId }));
    await eventually(async () => {
      const [now] = await database.query('select parked_at, refusal, last_checked_at from pull_request where id = $1', [
        row.id,
      ]);
      // The repository has no token: the look says so, and it was a look.
      expect(now).toMatchObject({
        parkedAt: null,
        refusal: { code: 'pull_request_unreadable' },
        lastCheckedAt: expect.any(Date) as Date,
      });
    });
  } finally {
    await host.close(1_000);
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  }
});

it('refuses an interval that can not work', async () => {
  const env = { CAPSTAN_PR_WATCH_INTERVAL_MS: 'soon' };
  await expect(openHost({ env, services: [prWatcher], write: () => undefined })).rejects.toMatchObject({
    faults: expect.arrayContaining([expect.objectContaining({ variable: 'CAPSTAN_PR_WATCH_INTERVAL_MS' })]) as unknown,
  });
});
