import { newId, type Repository, type Task } from '@capstan/database';
import { symptomOf, type Id, type ParkedKind } from '@capstan/domain';
import { parkedRowChanged } from '@capstan/events';
import { aPod, aRepository, aRun, aTask, eventually, park } from '@capstan/test-support';
import { TestGateway, type SignedInUser } from '../gateway.fixture.js';

let gateway: TestGateway;
let ada: SignedInUser;
let repository: Repository;
let task: Task;
beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());
beforeEach(async () => {
  await gateway.database.query('truncate workspace, audit, outbox cascade');
  ada = await gateway.aUser({ role: 'member' });
  repository = await aRepository(gateway.database, { workspaceId: ada.workspaceId });
  task = await aTask(gateway.database, repository);
});

const list = (query = '') => gateway.ask('GET', `/api/parked${query}`, { as: ada });
const post = (path: string, json: unknown = {}, as = ada) => gateway.ask('POST', `/api/parked/${path}`, { as, json });

/** Stands in for the row's owner: answers the next request as it would. */
async function ownerAnswers(answer: Record<string, unknown>): Promise<void> {
  await eventually(async () => {
    const rows = await gateway.database.query(
      'update parked_request set answered_at = now(), answer = $1 where answered_at is null returning id',
      [answer],
    );
    return rows.length > 0;
  });
}

async function effectRow(lastError: string, code: string | null): Promise<Id> {
  const id = newId();
  await gateway.database.query(
    `insert into effect (id, workspace_id, task_id, kind, executor, key, arguments, attempts, parked_at, last_error, last_error_code)
     values ($1::uuid, $2, $3, 'push_branch', 'pr-watcher', $1::uuid::text, '{}', 8, now(), $4, $5)`,
    [id, ada.workspaceId, task.id, lastError, code],
  );
  return id;
}

/** One parked row of every kind. */
async function everything(): Promise<Record<ParkedKind, Id>> {
  const { database } = gateway;
  const { run, pod } = await aRun(database, repository, { state: 'leased', slot: 1 });
  const other = await aPod(database, repository, { ordinal: 1 });
  const ids = { task: task.id, run: run.id, pod: other.id, effect: await effectRow('boom', null) } as Record<
    ParkedKind,
    Id
  >;
  const make = async (kind: ParkedKind, columns: Record<string, unknown>) => {
    const id = newId();
    const names = Object.keys(columns).map((name) => `"${name}"`);
    const places = names.map((_, index) => `$${index + 2}`);
    await database.query(`insert into "${kind}" (id, ${names.join(',')}) values ($1, ${places.join(',')})`, [
      id,
      ...Object.values(columns),
    ]);
    ids[kind] = id;
  };
  const ours = { workspace_id: ada.workspaceId };
  await make('task_request', { ...ours, task_id: task.id, kind: 'cancel', actor: { kind: 'user', id: ada.userId } });
  await make('pull_request', {
    ...{ ...ours, repository_id: repository.id, task_id: run.taskId, run_id: run.id, generation: 1, branch: 'b' },
    ...{ base_branch: 'main', title: 'T', state: 'open', number: 7 },
  });
  const source = newId();
  await database.query(
    `insert into ticket_source (id, workspace_id, repository_id, kind, project, api_url, label, credential_secret)
     values ($1, $2, $3, 'github-issues', 'p', 'http://127.0.0.1:1', 'capstan', 'X')`,
    [source, ada.workspaceId, repository.id],
  );
  ids['ticket_source'] = source;
  await make('ticket', {
    ...{ ...ours, source_id: source, key: '12', url: 'u', title: 'Sum', body: '', author: 'ada' },
    ...{ opened_at: new Date(), state: 'open' },
  });
  await make('delivery', {
    ...{ ...ours, repository_id: repository.id, forge: 'github', remote_id: 'r', event: 'push' },
    ...{ headers: {}, body: Buffer.from('{}') },
  });
  await make('outbox', {
    event: 'task.changed',
    subject: 's',
    payload: { workspaceId: ada.workspaceId, taskId: task.id },
  });
  for (const [kind, id] of Object.entries(ids)) await park(database, kind as ParkedKind, id, `${kind} failed`);
  expect(pod.id).not.toBe(other.id);
  return ids;
}

describe('what is parked', () => {
  it('is listed whatever kind it is of, by pages, with what it belongs to and what it holds', async () => {
    const ids = await everything();
    const { body } = await list();
    expect(body.total).toBe(10);
    expect(body.counts).toEqual(Object.fromEntries(Object.keys(ids).map((kind) => [kind, 1])));
    const { items } = body;
    expect(Object.fromEntries(items.map(({ kind, id }) => [kind, id]))).toEqual(ids);
    const of = (kind: ParkedKind) => items.find((item) => item.kind === kind)!;
    expect(of('run')).toMatchObject({
      subject: 'Run 1: Make it so',
      holds: expect.stringMatching(/^Slot 1 of pod /),
      repository: { fullName: repository.fullName },
      attempts: 8,
      lastError: { code: null, title: null, detail: 'run failed', remedy: null },
      dropMeans: expect.stringContaining('its slot is free'),
    });
    expect(of('pod').holds).toContain('nothing new is placed');
    expect(of('effect')).toMatchObject({ subject: 'Push branch: Make it so', task: { id: task.id } });
    expect(of('ticket')).toMatchObject({ subject: '#12 Sum', task: null });
    const seen: Id[] = [];
    for (let cursor = ''; ;) {
      const page = (await list(`?limit=2${cursor}`)).body;
      seen.push(...page.items.map(({ id }) => id));
      if (page.next === null) break;
      cursor = `&cursor=${page.next}`;
    }
    expect(seen).toEqual(items.map(({ id }) => id));
    expect((await list('?kind=pod')).body.items).toHaveLength(1);
    const stranger = await gateway.aUser();
    expect((await gateway.ask('GET', '/api/parked', { as: stranger })).body).toMatchObject({ items: [], total: 0 });
  });

  it('explains its last error by the registry, and says advice once', async () => {
    const { title, remedy } = symptomOf('forge_unreachable');
    await effectRow(`The forge is away. ${remedy}`, 'forge_unreachable');
    expect((await list()).body.items[0]!.lastError).toEqual({
      code: 'forge_unreachable',
      title,
      detail: 'The forge is away.',
      remedy,
    });
  });
});

describe('a request', () => {
  it('is written down for the owner, audited, and answered with what the owner says', async () => {
    await park(gateway.database, 'task', task.id);
    const owner = ownerAnswers({ applied: true, code: 'replayed', detail: 'It goes on' });
    const { status, body } = await post(`task/${task.id.slice(-8)}/replay`, { reason: 'the forge is back' });
    await owner;
    expect([status, body]).toEqual([200, expect.objectContaining({ kind: 'task', rowId: task.id, action: 'replay' })]);
    expect(body.answer).toEqual({ applied: true, code: 'replayed', detail: 'It goes on' });
    const [row] = await gateway.database.query('select owner, reason, actor from parked_request');
    expect(row).toEqual({ owner: 'scheduler', reason: 'the forge is back', actor: { kind: 'user', id: ada.userId } });
    const [line] = await gateway.database.query('select action, subject, detail from audit');
    expect(line).toEqual({
      action: 'parked.replay',
      subject: `task/${task.id}`,
      detail: { reason: 'the forge is back' },
    });
    expect((await gateway.ask('GET', `/api/parked-requests/${body.id}`, { as: ada })).body).toEqual(body);
  });

  it('is 409 with the remedy where the owner refuses, and 200 where somebody was faster', async () => {
    await park(gateway.database, 'task', task.id);
    const refusal = { applied: false, code: 'drop_refused', detail: 'It is merged', remedy: 'Replay it.' };
    const [refused] = await Promise.all([post(`task/${task.id}/drop`), ownerAnswers(refusal)]);
    expect(refused.body).toMatchObject({
      status: 409,
      code: 'drop_refused',
      detail: 'It is merged',
      remedy: 'Replay it.',
    });
    const late = { applied: false, code: 'not_parked', detail: 'It is not parked (any more)' };
    const [again] = await Promise.all([post(`task/${task.id}/drop`), ownerAnswers(late)]);
    expect([again.status, again.body.answer!.code]).toEqual([200, 'not_parked']);
  });

  it('is 202 with its address while nobody answers, and the list says what was asked', async () => {
    const effect = await effectRow('boom', null);
    const { status, headers, body } = await post(`effect/${effect}/replay`);
    expect([status, headers.get('location'), body.answer]).toEqual([202, `/api/parked-requests/${body.id}`, null]);
    expect((await list()).body.items[0]).toMatchObject({ id: effect, asked: 'replay' });
    const [row] = await gateway.database.query('select owner from parked_request');
    expect(row).toEqual({ owner: 'pr-watcher' });
  });

  it('is 404 with a remedy for what is not there or another workspace owns, and not for viewers', async () => {
    await park(gateway.database, 'task', task.id);
    const unknown = await post(`task/${newId()}/replay`);
    expect(unknown.body).toMatchObject({ status: 404, code: 'parked_row_not_found', remedy: expect.any(String) });
    const stranger = await gateway.aUser();
    expect((await post(`task/${task.id}/replay`, {}, stranger)).status).toBe(404);
    const viewer = await gateway.aUser({ workspaceId: ada.workspaceId, role: 'viewer' });
    expect((await post(`task/${task.id}/replay`, {}, viewer)).status).toBe(403);
    expect((await gateway.ask('GET', '/api/parked', { as: viewer })).body.total).toBe(1);
    expect((await post(`cow/${task.id}/replay`)).status).toBe(422);
  });

  it('of all is one per row, and none for what was asked already', async () => {
    await everything();
    expect((await post('replay-all', { kind: 'pod' })).body).toEqual({ requested: 1 });
    expect((await post('replay-all')).body).toEqual({ requested: 9 });
    expect((await post('replay-all')).body).toEqual({ requested: 0 });
    expect((await gateway.ask('POST', '/api/parked/replay-all', { as: ada })).status).toBe(202);
  });
});

it('tells browsers when a row is parked', async () => {
  const socket = gateway.live(ada);
  const heard: unknown[] = [];
  socket.on('invalidate', (message) => heard.push(message));
  await eventually(() => socket.connected);
  await gateway.database.transaction((tx) =>
    tx.emit(parkedRowChanged, { kind: 'task', rowId: task.id, workspaceId: ada.workspaceId }),
  );
  await eventually(() => heard.some((message) => (message as { kind: string; id: string }).kind === 'parked_row'));
  socket.close();
});
