import { Database, migrate, requestOfParkedRow, type ParkedRequest, type Task } from '@capstan/database';
import { UserError } from '@capstan/domain';
import { SPEC, aRepository, aTask, askOfParked, park, readTask, testDatabase } from '@capstan/test-support';
import { openLogger } from '../telemetry/logger.js';
import { ParkedRequests, type ParkedVerb } from './parked-requests.js';

let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;
let task: Task;
const logger = openLogger({ format: 'text', level: 'silent' });

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
});
afterAll(async () => {
  await database.close();
  await server.close();
});
beforeEach(async () => {
  await database.query('truncate workspace, outbox cascade');
  task = await aTask(database, await aRepository(database));
  await park(database, 'task', task.id);
});

const ownerWith = (verb: Partial<ParkedVerb<Task>>, owner: 'scheduler' | 'webhooks' = 'scheduler') =>
  new ParkedRequests({
    database,
    logger,
    owner,
    verbs: { task: { replay: async () => 'again', drop: async () => 'gone', ...verb } satisfies ParkedVerb<Task> },
  });
const row = (action: 'replay' | 'drop') => ({
  workspaceId: task.workspaceId,
  kind: 'task' as const,
  rowId: task.id,
  action,
});
const asked = (action: 'replay' | 'drop') =>
  database.transaction((tx) => requestOfParkedRow(tx, { ...row(action), effectKind: null, reason: 'r', actor: SPEC }));
const request = async (id: string) =>
  (await database.query<ParkedRequest>('select * from parked_request where id = $1', [id]))[0]!;

it('applies a request once, however many hear of it', async () => {
  let applied = 0;
  const woken: string[] = [];
  const owner = ownerWith({
    replay: async () => `${(applied += 1)}`,
    wake: ({ id }) => void woken.push(id),
  });
  const { id } = await asked('replay');
  await Promise.all([owner.apply(id), owner.apply(id), owner.apply(id)]);
  await owner.apply(id);
  expect([applied, woken]).toEqual([1, [task.id]]);
});

it('leaves the requests of others to them, and knows its own without an event', async () => {
  const { id } = await asked('replay');
  const other = ownerWith({}, 'webhooks');
  await other.apply(id);
  expect((await request(id)).answer).toBeNull();
  expect(await other.due(10)).toEqual([]);
  expect(await ownerWith({}).due(10)).toEqual([{ id }]);
});

it('answers with what the owner refuses and what helps instead, and leaves the row parked', async () => {
  const owner = ownerWith({
    drop: async (tx) => {
      await tx.query(`update task set title = 'half done'`);
      throw new UserError('It would be lost', { code: 'drop_refused', remedy: 'Replay it.' });
    },
  });
  expect(await askOfParked(database, owner, row('drop'))).toEqual({
    applied: false,
    code: 'drop_refused',
    detail: 'It would be lost',
    remedy: 'Replay it.',
  });
  expect(await readTask(database, task.id)).toMatchObject({ title: 'Make it so', parkedAt: expect.any(Date) });
});

it('tries again what failed, and answers with the error rather than becoming a dead letter itself', async () => {
  const owner = ownerWith({
    replay: async () => {
      throw new Error('broken');
    },
  });
  const { id } = await asked('replay');
  await owner.apply(id);
  expect(await request(id)).toMatchObject({ attempts: 1, answer: null, notBefore: expect.any(Date) });
  expect(await owner.due(10)).toEqual([]);
  for (let tries = 1; tries < 5; tries += 1) await owner.apply(id);
  expect((await request(id)).answer).toEqual({
    applied: false,
    code: 'request_failed',
    detail: 'It could not be done: broken',
  });
  expect((await readTask(database, task.id)).parkedAt).not.toBeNull();
});
