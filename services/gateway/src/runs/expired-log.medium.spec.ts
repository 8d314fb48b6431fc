import { aRepository, aRun } from '@capstan/test-support';
import { TestGateway } from '../gateway.fixture.js';
import { LogFeeds } from '../live/log-feeds.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());

it('an expired log says since when, and shows no line of what is still there', async () => {
  const user = await gateway.aUser();
  const { database } = gateway;
  const repository = await aRepository(database, { workspaceId: user.workspaceId });
  const { run } = await aRun(database, repository, {
    taskState: 'completed',
    state: 'finished',
    outcome: { kind: 'commits', detail: 'x' },
    logSequence: 3,
  } as never);
  await database.query(
    `insert into run_log (workspace_id, run_id, sequence, at, kind, text)
     select $1, $2, n, now(), 'text', 'line ' || n from generate_series(1, 3) n`,
    [user.workspaceId, run.id],
  );
  const log = async () => (await gateway.ask('GET', `/api/runs/${run.id}/log`, { as: user })).body;
  expect(await log()).toMatchObject({ head: 3, ended: true, expiredAt: null, lines: [{}, {}, {}] });
  await database.query(`update run set log_expired_at = '2026-11-01T10:00:00Z' where id = $1`, [run.id]);
  const expiredAt = '2026-11-01T10:00:00.000Z';
  expect(await log()).toEqual({ runId: run.id, lines: [], head: 0, ended: true, expiredAt });
  expect((await gateway.ask('GET', `/api/runs/${run.id}`, { as: user })).body).toMatchObject({
    logLines: 3,
    logExpiredAt: expiredAt,
  });
  const followed = await gateway.get<LogFeeds>(LogFeeds).follow(user.workspaceId, run.id, 'somebody');
  expect(followed).toEqual({ head: 0, ended: true });
});
