import type { Audit, Repository, TaskRequest } from '@capstan/database';
import { aPod, aRepository, aRun, aTask } from '@capstan/test-support';
import { TestGateway, type SignedInUser } from '../gateway.fixture.js';

describe('control over runs', () => {
  let gateway: TestGateway;
  let user: SignedInUser;
  let repository: Repository;
  beforeAll(async () => {
    gateway = await TestGateway.start();
  });
  beforeEach(async () => {
    user = await gateway.aUser();
    repository = await aRepository(gateway.database, { workspaceId: user.workspaceId });
  });
  afterAll(() => gateway.close());

  const ask = (method: string, path: string, json?: Record<string, unknown>) =>
    gateway.ask(method, path, json === undefined ? { as: user } : { as: user, json });
  const requests = () =>
    gateway.database.query<TaskRequest>('select * from task_request where workspace_id = $1 order by created_at, id', [
      user.workspaceId,
    ]);

  it('pauses once, says who and since when, and is undone at once', async () => {
    expect((await ask('GET', '/api/me')).body.workspace).toMatchObject({ pausedAt: null, pausedBy: null });
    const first = await ask('PATCH', '/api/workspace', { paused: true });
    expect(first.body).toMatchObject({ pausedAt: expect.any(String) as string, pausedBy: 'Ada' });
    const again = await ask('PATCH', '/api/workspace', { paused: true });
    expect(again.body).toEqual(first.body);
    expect((await ask('GET', '/api/me')).body.workspace).toMatchObject({
      pausedAt: first.body.pausedAt,
      pausedBy: 'Ada',
    });
    const resumed = await ask('PATCH', '/api/workspace', { paused: false });
    expect(resumed.body).toMatchObject({ pausedAt: null, pausedBy: null });
    await ask('PATCH', '/api/workspace', { paused: false });
    const audits = await gateway.database.query<Audit>(
      `select * from audit where workspace_id = $1 and action = 'workspace.changed' order by at`,
      [user.workspaceId],
    );
    expect(audits.map(({ detail, actor }) => [detail, actor])).toEqual([
      [{ paused: true }, { kind: 'user', id: user.userId }],
      [{ paused: false }, { kind: 'user', id: user.userId }],
    ]);
    const events = await gateway.database.query(
      `select 1 from outbox where event = 'workspace.changed' and payload->>'workspaceId' = $1`,
      [user.workspaceId],
    );
    expect(events.length).toBeLessThanOrEqual(2);
  });

  it('shows that finished work waits for the end of a pause', async () => {
    await ask('PATCH', '/api/workspace', { paused: true });
    const { task } = await aRun(gateway.database, repository, {
      taskState: 'running',
      state: 'finished',
      outcome: { kind: 'commits', detail: '1 commit' },
    });
    expect((await ask('GET', `/api/tasks/${task.id}`)).body.waiting).toMatchObject({
      code: 'paused',
      detail: expect.stringMatching(/^Paused by Ada since \d\d:\d\d UTC: the work is published/) as string,
    });
    await ask('PATCH', '/api/workspace', { paused: false });
    expect((await ask('GET', `/api/tasks/${task.id}`)).body.waiting).toBeNull();
  });

  it('says since when a run is silent, and no longer once a line has come', async () => {
    const lastLineAt = new Date(Date.now() - 700_000);
    const { task, run } = await aRun(gateway.database, repository, {
      taskState: 'running',
      state: 'running',
      launchedAt: new Date(Date.now() - 900_000),
      lastLineAt,
      stalledAt: new Date(Date.now() - 60_000),
    });
    expect((await ask('GET', `/api/tasks/${task.id}`)).body).toMatchObject({
      stalled: true,
      stalledSince: lastLineAt.toISOString(),
    });
    await gateway.database.query('update run set last_line_at = now() where id = $1', [run.id]);
    expect((await ask('GET', `/api/tasks/${task.id}`)).body).toMatchObject({ stalled: false, stalledSince: null });
  });

  it('writes down what is to be said to an agent, and refuses what says nothing', async () => {
    const task = await aTask(gateway.database, repository);
    expect((await ask('POST', `/api/tasks/${task.id}/message`, { text: '  Use integers.  ' })).status).toBe(202);
    expect((await ask('POST', `/api/tasks/${task.id}/interrupt`, { reason: 'wrong way' })).status).toBe(202);
    expect((await requests()).map(({ kind, arguments: given, actor }) => [kind, given, actor.id])).toEqual([
      ['message', { text: 'Use integers.' }, user.userId],
      ['interrupt', { reason: 'wrong way' }, user.userId],
    ]);
    const empty = await ask('POST', `/api/tasks/${task.id}/message`, { text: ' ' });
    expect([empty.status, empty.body.field]).toEqual([422, 'text']);
    expect((await ask('POST', '/api/tasks/ffffffff/message', { text: 'x' })).status).toBe(404);
  }, 20_000);

  it('takes limits of a task, names the faulty one, and shows which are its own', async () => {
    const task = await aTask(gateway.database, repository, { limits: { maxTurns: 9 } });
    expect((await ask('GET', `/api/tasks/${task.id}`)).body).toMatchObject({
      limits: { maxRunMinutes: 60, maxCostUsd: 10, maxTurns: 9, stallMinutes: 10 },
      ownLimits: { maxTurns: 9 },
    });
    const set = await ask('PATCH', `/api/tasks/${task.id}/limits`, { maxCostUsd: 20.5, maxTurns: null });
    expect(set.status).toBe(202);
    expect((await requests()).map(({ kind, arguments: given }) => [kind, given])).toEqual([
      ['set_limits', { limits: { maxCostUsd: 20.5, maxTurns: null } }],
    ]);
    for (const [limits, field, words] of [
      [{ maxTurns: 0 }, 'maxTurns', 'a whole number of turns from 1 to 10000'],
      [{ maxRunMinutes: 1.5 }, 'maxRunMinutes', 'a whole number of minutes from 1 to 1440'],
      [{ maxCostUsd: 'much' }, 'maxCostUsd', 'US dollars from 0 to 10000'],
      [{ stallMinutes: 9_000 }, 'stallMinutes', 'a whole number of minutes'],
      [{ maxTokens: 1 }, 'maxTokens', 'unknown field'],
    ] as const) {
      const refused = await ask('PATCH', `/api/tasks/${task.id}/limits`, limits);
      expect([refused.status, refused.body.field]).toEqual([422, field]);
      expect(refused.body.detail).toContain(words);
    }
  }, 20_000);

  it('offers an interrupt while an agent is at work, and a message unless the task is over', async () => {
    const pod = await aPod(gateway.database, repository);
    const { task } = await aRun(gateway.database, repository, { pod, taskState: 'running', state: 'running' });
    const offered = async (id: string) =>
      (await ask('GET', `/api/tasks/${id}`)).body.actions
        .filter(({ allowed }: { allowed: boolean }) => allowed)
        .map(({ kind }: { kind: string }) => kind);
    expect(await offered(task.id)).toEqual(expect.arrayContaining(['message', 'interrupt']));
    const waiting = await aTask(gateway.database, repository);
    expect(await offered(waiting.id)).toContain('message');
    expect(await offered(waiting.id)).not.toContain('interrupt');
  });
});
