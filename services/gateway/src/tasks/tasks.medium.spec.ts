import { newId, type Repository, type TaskRequest } from '@capstan/database';
import type { Id } from '@capstan/domain';
import { taskAnswered, taskRequested } from '@capstan/events';
import { aPod, aPullRequest, aRepository, aRun, aTask, eventually } from '@capstan/test-support';
import { TestGateway, type SignedInUser } from '../gateway.fixture.js';

describe('tasks', () => {
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

  const create = (json: Record<string, unknown> = {}, headers: Record<string, string> = {}) =>
    gateway.ask('POST', '/api/tasks', {
      as: user,
      json: { repositoryId: repository.id, title: 'T', ...json },
      headers,
    });
  const count = async (table: string) => {
    const [row] = await gateway.database.query<{ rows: number }>(
      `select count(*)::int as rows from ${table} where workspace_id = $1`,
      [user.workspaceId],
    );
    return row!.rows;
  };

  it('are created, found by both ids, and told about', async () => {
    const made = await create({ title: '  Fix it  ', body: 'Please', priority: 7, limits: { maxTurns: 9 } });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      title: 'Fix it',
      state: 'queued',
      column: 'queued',
      priority: 7,
      agent: 'command',
    });
    const { id, shortId } = made.body as { id: Id; shortId: string };
    expect(shortId).toBe(id.slice(-8));
    for (const given of [id, shortId, shortId.toUpperCase()]) {
      const { body } = await gateway.ask('GET', `/api/tasks/${given}`, { as: user });
      expect(body).toMatchObject({
        id,
        body: 'Please',
        baseBranch: 'main',
        limits: { maxRunMinutes: 60, maxCostUsd: 10, maxTurns: 9, stallMinutes: 10 },
        traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
      });
    }
    const { body: events } = await gateway.ask('GET', `/api/tasks/${shortId}/events`, { as: user });
    expect(events.items).toMatchObject([
      { kind: 'created', to: 'queued', cause: 'Created by Ada', actor: { kind: 'user', id: user.userId, name: 'Ada' } },
    ]);
  });

  it('wait for what they depend on', async () => {
    const first = await create();
    const second = await create({ dependsOn: [first.body.id] });
    expect(second.body.state).toBe('waiting');
    const { body } = await gateway.ask('GET', `/api/tasks/${second.body.id}`, { as: user });
    expect(body.dependsOn).toMatchObject([{ id: first.body.id, shortId: first.body.shortId, state: 'queued' }]);
    const { body: needed } = await gateway.ask('GET', `/api/tasks/${first.body.id}`, { as: user });
    expect(needed.neededBy.map(({ id }: { id: Id }) => id)).toEqual([second.body.id]);
    const unknown = await create({ dependsOn: [newId()] });
    expect([unknown.status, unknown.body.field]).toEqual([422, 'dependsOn']);
  });

  it('are created once per Idempotency-Key, however many ask at the same time', async () => {
    const headers = { 'idempotency-key': 'key-1' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => create({ title: 'Once' }, headers)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => JSON.stringify(Object.entries(body).sort()))).size).toBe(1);
    expect(answers.filter((answer) => answer.headers.get('idempotency-replayed') === 'true')).toHaveLength(19);
    expect(await count('task')).toBe(1);
    const other = await create({ title: 'Another' }, headers);
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused']);
    // A refusal is not kept: the same key may then be used for what works.
    const again = { 'idempotency-key': 'key-2' };
    expect((await create({ repositoryId: newId() }, again)).status).toBe(422);
    expect((await create({}, again)).status).toBe(201);
    expect((await create({}, { 'idempotency-key': 'x'.repeat(201) })).status).toBe(422);
    const stranger = await gateway.aUser();
    const theirs = await aRepository(gateway.database, { workspaceId: stranger.workspaceId });
    const json = { repositoryId: theirs.id, title: 'Once' };
    expect((await gateway.ask('POST', '/api/tasks', { as: stranger, json, headers })).status).toBe(201);
  });

  it('are listed page by page, each once, also those of the same moment', async () => {
    const made = new Set<Id>();
    for (let index = 0; index < 7; index += 1) made.add((await create()).body.id as Id);
    await gateway.database.query(
      'update task set created_at = (select min(created_at) from task where workspace_id = $1) where workspace_id = $1',
      [user.workspaceId],
    );
    const seen: Id[] = [];
    let next: string | null = null;
    do {
      const query: string = next === null ? '' : `&cursor=${next}`;
      const page = await gateway.ask('GET', `/api/tasks?limit=3${query}`, { as: user });
      seen.push(...page.body.items.map(({ id }: { id: Id }) => id));
      next = page.body.next as string | null;
    } while (next !== null);
    expect(seen).toHaveLength(7);
    expect(new Set(seen)).toEqual(made);
    const events = await gateway.ask('GET', '/api/events?limit=2', { as: user });
    for (const cursor of ['x', '!', 'e30', events.body.next, Buffer.from('{"of":"tasks"}').toString('base64url')])
      expect((await gateway.ask('GET', `/api/tasks?cursor=${cursor}`, { as: user })).body).toMatchObject({
        status: 422,
        field: 'cursor',
      });
  });

  it('stand on the board in their columns, quickly, when there are thousands', async () => {
    const queued = await create({ title: 'Behind', priority: 200 });
    const first = await create({ title: 'Ahead', priority: 1 });
    const { run } = await aRun(gateway.database, repository, {
      task: await aTask(gateway.database, repository, { title: 'At work' }),
      pod: await aPod(gateway.database, repository),
      taskState: 'pr_opened',
      stalledAt: new Date(),
    });
    const pullRequest = await aPullRequest(gateway.database, run, { url: 'http://f/7', checks: 'green' });
    await gateway.database.query(
      `insert into task (id, workspace_id, repository_id, kind, title, body, state, base_branch, created_by, attention, ended_at)
       select ('00000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, $1, $2, 'change', 'Old ' || i, '', (array['completed','failed','cancelled','queued'])[1 + i % 4],
              'main', '{"kind":"service","id":"spec"}', case when i % 4 = 1 then '{"code":"no_changes","detail":"Nothing"}'::jsonb end, now()
         from generate_series(1, 5000) i`,
      [user.workspaceId, repository.id],
    );
    await gateway.database.query('analyze task');
    const began = performance.now();
    const { body } = await gateway.ask('GET', '/api/board?limit=20', { as: user });
    const tookMs = performance.now() - began;
    const columns = Object.fromEntries(body.columns.map((column) => [column.column, column]));
    expect(Object.entries(columns).map(([name, column]) => [name, column.total])).toEqual([
      ['queued', 1252],
      ['working', 0],
      ['needs_you', 1250],
      ['in_review', 1],
      ['done', 2500],
    ]);
    expect(columns['queued']!.items[0]!.id).toBe(first.body.id);
    expect(columns['queued']!.items.some(({ id }: { id: Id }) => id === queued.body.id)).toBe(false);
    expect(columns['in_review']!.items).toMatchObject([
      {
        title: 'At work',
        stalled: true,
        isolation: 'not_isolated',
        pullRequest: { id: pullRequest.id, number: 7, checks: 'green' },
      },
    ]);
    expect(columns['needs_you']!.items[0]!.attention).toMatchObject({
      title: 'The agent changed nothing',
      remedy: expect.any(String),
    });
    expect(tookMs).toBeLessThan(1_000);
    const found = await gateway.ask('GET', `/api/board?search=${first.body.shortId}`, { as: user });
    expect(found.body.columns.map(({ total }: { total: number }) => total)).toEqual([1, 0, 0, 0, 0]);
    expect((await gateway.ask('GET', '/api/tasks?search=AHEAD', { as: user })).body.items).toHaveLength(1);
    expect((await gateway.ask('GET', '/api/tasks?search=%25', { as: user })).body.items).toHaveLength(0);
  });

  it('answer a request with what the scheduler said, else with its address', async () => {
    const { body: task } = await create();
    const stop = await aScheduler(gateway, ({ kind }) =>
      kind === 'cancel'
        ? { applied: true, code: 'cancelled', detail: 'Cancelled' }
        : kind === 'retry'
          ? { applied: false, code: 'not_allowed', detail: 'It is queued' }
          : null,
    );
    const began = performance.now();
    const cancelled = await gateway.ask('POST', `/api/tasks/${task.shortId}/cancel`, {
      as: user,
      json: { reason: 'no need' },
    });
    expect(performance.now() - began).toBeLessThan(1_500);
    expect([cancelled.status, cancelled.body.answer]).toEqual([
      200,
      { applied: true, code: 'cancelled', detail: 'Cancelled' },
    ]);
    const retried = await gateway.ask('POST', `/api/tasks/${task.id}/retry`, { as: user });
    expect([retried.status, retried.body.code, retried.body.detail]).toEqual([409, 'not_allowed', 'It is queued']);
    const open = await gateway.ask('PATCH', `/api/tasks/${task.id}`, { as: user, json: { priority: 3 } });
    expect([open.status, open.headers.get('location')]).toEqual([202, `/api/requests/${open.body.id}`]);
    const { body } = await gateway.ask('GET', open.headers.get('location')!, { as: user });
    expect(body).toMatchObject({ id: open.body.id, kind: 'reprioritize', answer: null });
    await stop();
    const rows = await gateway.database.query<TaskRequest>(
      'select * from task_request where task_id = $1 order by created_at',
      [task.id],
    );
    expect(rows.map(({ kind, arguments: args, actor }) => [kind, args, actor])).toEqual([
      ['cancel', { reason: 'no need' }, { kind: 'user', id: user.userId }],
      ['retry', {}, { kind: 'user', id: user.userId }],
      ['reprioritize', { priority: 3 }, { kind: 'user', id: user.userId }],
    ]);
  });

  it('are asked in bulk, each once', async () => {
    for (let index = 0; index < 3; index += 1) await create();
    const other = await aRepository(gateway.database, { workspaceId: user.workspaceId });
    await create({ repositoryId: other.id });
    const some = await gateway.ask('POST', '/api/tasks/bulk/cancel-active', {
      as: user,
      json: { repositoryId: other.id },
    });
    expect([some.status, some.body]).toEqual([202, { requested: 1 }]);
    expect((await gateway.ask('POST', '/api/tasks/bulk/cancel-active', { as: user })).body).toEqual({ requested: 4 });
    expect((await gateway.ask('POST', '/api/tasks/bulk/retry-failed', { as: user })).body).toEqual({ requested: 0 });
    expect(await count('task_request')).toBe(5);
  });
});

type Answer = { applied: boolean; code: string; detail: string } | null;

/** Answers requests as the scheduler does: a row, and its event in the same transaction. */
async function aScheduler(
  gateway: TestGateway,
  answer: (request: TaskRequest) => Answer,
): Promise<() => Promise<void>> {
  const subscription = await gateway.broker.tail([taskRequested], (_event, payload) => {
    const { workspaceId, taskId, requestId } = payload as { workspaceId: Id; taskId: Id; requestId: Id };
    void gateway.database.transaction(async (tx) => {
      const [request] = await tx.query<TaskRequest>('select * from task_request where id = $1', [requestId]);
      const said = answer(request!);
      if (said === null) return;
      await tx.query('update task_request set answer = $2, answered_at = now() where id = $1', [requestId, said]);
      await tx.emit(taskAnswered, { workspaceId, taskId, requestId });
    });
  });
  await eventually(() => gateway.broker.status().connected);
  return () => subscription.close();
}
