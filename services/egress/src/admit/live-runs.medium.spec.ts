import { onDatabase } from '@capstan/test-support';
import { aStage, viaProxy, type Stage } from '../egress.fixture.js';
import { isRefusal } from '../server/refusal.js';
import { LiveRuns } from './live-runs.js';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => (stage = await aStage({ statementTimeoutMs: 400 })));
afterAll(() => stage.close());

const admitted = async (runs: LiveRuns, token: string) => {
  const run = await runs.admit(token);
  return isRefusal(run) ? run.reason : run.id;
};

it('while Postgres is away runs that were seen lately go on, and of others nobody is told that they are over', async () => {
  let now = 0;
  const runs = new LiveRuns(stage.database, stage.encryptionKey, () => now);
  const [known, unknown] = [(await stage.aRun()).run, (await stage.aRun()).run];
  expect(await admitted(runs, stage.token(known))).toBe(known.id);
  await onDatabase(stage.databaseUrl, async (client) => {
    await client.query('begin; lock table run in access exclusive mode');
    now = 30_000;
    expect(await admitted(runs, stage.token(known))).toBe(known.id);
    now = 61_000;
    await expect(runs.admit(stage.token(known))).rejects.toMatchObject({ name: 'TransientError' });
    await expect(runs.admit(stage.token(unknown))).rejects.toMatchObject({ name: 'TransientError' });
    const answer = await viaProxy(stage.egress.server.url, 'http://pypi.org/', stage.token(unknown));
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '3' } });
    expect(answer.body).toContain('Try again');
    await client.query('rollback');
  });
  expect(await admitted(runs, stage.token(unknown))).toBe(unknown.id);
});

it('a run whose end was seen is over at once, however lately it was alive', async () => {
  let now = 0;
  const runs = new LiveRuns(stage.database, stage.encryptionKey, () => now);
  const { run } = await stage.aRun();
  expect(await admitted(runs, stage.token(run))).toBe(run.id);
  await stage.database.query('update run set fenced_at = now() where id = $1', [run.id]);
  now = 1_000;
  expect(await admitted(runs, stage.token(run))).toBe('run_over');
});

it('asks Postgres once for many requests of one moment', async () => {
  const runs = new LiveRuns(stage.database, stage.encryptionKey, () => 0);
  const { run } = await stage.aRun();
  const all = await Promise.all(Array.from({ length: 50 }, () => runs.admit(stage.token(run))));
  expect(new Set(all).size).toBe(1);
});
