import { EFFECT_DEADLINE_MS } from '@capstan/domain';
import { Database, claimEffects, migrate, requestEffect, type Effect } from '@capstan/database';
import { aRepository, aTask, testDatabase } from '@capstan/test-support';
import { EffectExecutor, type EffectHandler } from './effect-executor.js';

let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
});
afterAll(async () => {
  await database.close();
  await server.close();
});
beforeEach(() => database.query('truncate workspace, outbox cascade'));

const pause = (paused: boolean) =>
  database.query('update workspace set paused_at = case when $1 then now() end', [paused]);
const effects = () => database.query<Effect>('select * from effect');

async function anEffect(): Promise<string> {
  const repository = await aRepository(database);
  const task = await aTask(database, repository);
  const { id } = await database.transaction((tx) =>
    requestEffect(tx, {
      workspaceId: repository.workspaceId,
      taskId: task.id,
      runId: null,
      epoch: 0,
      kind: 'merge_pull_request',
      key: `merge_pull_request:${task.id}`,
      arguments: {},
      traceparent: null,
    }),
  );
  return id;
}

function anExecutor(handler: EffectHandler) {
  return new EffectExecutor({
    database,
    executor: 'pr-watcher',
    owner: 'spec',
    handlers: { merge_pull_request: handler },
    report: () => undefined,
  });
}

it('a paused workspace has no effect claimed, nor one taken over whose claim lapsed', async () => {
  const id = await anEffect();
  await pause(true);
  expect(await claimEffects(database, 'pr-watcher', 'a', { limit: 9 })).toEqual([]);
  expect(await claimEffects(database, 'pr-watcher', 'a', { limit: 9, effectId: id })).toEqual([]);
  await database.query(`update effect set state = 'claimed', deadline_at = now() - $1 * interval '2 ms'`, [
    EFFECT_DEADLINE_MS,
  ]);
  expect(await claimEffects(database, 'pr-watcher', 'a', { limit: 9 })).toEqual([]);
  await pause(false);
  expect(await claimEffects(database, 'pr-watcher', 'a', { limit: 9 })).toHaveLength(1);
});

it('a pause between the claim and the request holds the request back, and costs no attempt', async () => {
  await anEffect();
  let sent = 0;
  const executor = anExecutor({
    look: async () => {
      if (sent === 0) await pause(true);
      return null;
    },
    act: async (_effect, { beforeWrite }) => {
      await beforeWrite();
      sent += 1;
      return { kind: 'done', remoteId: null, result: {} };
    },
  });
  await executor.run();
  expect(sent).toBe(0);
  expect(await effects()).toMatchObject([{ state: 'requested', attempts: 0, parkedAt: null }]);
  await pause(false);
  const again = anExecutor({
    look: async () => null,
    act: async (_effect, { beforeWrite }) => {
      await beforeWrite();
      sent += 1;
      return { kind: 'done', remoteId: null, result: {} };
    },
  });
  await again.run();
  expect(sent).toBe(1);
  expect(await effects()).toMatchObject([{ state: 'done' }]);
});

it('a request of a claim that somebody has taken over does not leave', async () => {
  await anEffect();
  let sent = 0;
  const executor = anExecutor({
    look: async () => {
      await database.query(`update effect set claim_epoch = claim_epoch + 1, claimed_by = 'another'`);
      return null;
    },
    act: async (_effect, { beforeWrite }) => {
      await beforeWrite();
      sent += 1;
      return { kind: 'done', remoteId: null, result: {} };
    },
  });
  await executor.run();
  expect(sent).toBe(0);
  expect(await effects()).toMatchObject([{ state: 'claimed', claimedBy: 'another' }]);
});
