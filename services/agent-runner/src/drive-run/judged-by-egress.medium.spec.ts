import type { Judgement } from '@capstan/agents';
import { Database, migrate } from '@capstan/database';
import { DEFAULT_LIMITS } from '@capstan/domain';
import { aRepository, aRun, testDatabase } from '@capstan/test-support';
import { judgedByEgress } from './judged-by-egress.js';

let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;
beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url, poolSize: 2 });
});
afterAll(async () => {
  await database.close();
  await server.close();
});

const refused: Judgement = {
  verdict: 'outcome',
  outcome: { kind: 'credential_refused', detail: 'The provider said 403', symptom: 'credential_refused' },
};
const limits = { ...DEFAULT_LIMITS, maxCostUsd: 2 };
const provider = { credentials: ['OPENAI_API_KEY'] };

/** A run for which the agent told of so much, and egress counted so much. */
async function aCostlyRun(told: string, counted: string) {
  const { run } = await aRun(database, await aRepository(database));
  await database.query('update run set cost_usd = $2 where id = $1', [run.id, told]);
  await database.query(
    `insert into model_use (workspace_id, run_id, provider, model, calls, input_tokens, output_tokens, cache_read_tokens,
                            cache_write_tokens, cost_usd, unpriced_calls)
       values ($1, $2, 'openai', 'm', 1, 1, 1, 0, 0, $3, 0)`,
    [run.workspaceId, run.id, counted],
  );
  return { id: run.id, taskId: run.taskId, limits };
}

it.each([
  ['as egress counted it', '0.10', '2.05', '$2.05 of $2.00'],
  ['as the agent told it', '3', '0.5', '$3.00 of $2.00'],
])('a refusal after the budget was spent, %s, is the limit', async (_, told, counted, words) => {
  const judged = await judgedByEgress(database, await aCostlyRun(told, counted), provider, refused);
  expect(judged.outcome).toEqual({
    kind: 'limit_reached',
    symptom: 'cost_limit',
    detail: `The task has cost ${words}`,
  });
});

it('hears of what was counted a moment before the refusal', async () => {
  const run = await aCostlyRun('0', '0.5');
  const judging = judgedByEgress(database, run, provider, refused);
  await database.query('update model_use set cost_usd = 2 where run_id in (select id from run where task_id = $1)', [
    run.taskId,
  ]);
  expect((await judging).outcome).toMatchObject({ kind: 'limit_reached' });
});

it.each<[string, string, { credentials: string[] }, Judgement]>([
  ['a refusal within the budget', '1.99', provider, refused],
  ['an agent that asks no provider', '5', { credentials: [] }, refused],
  ['a run that ended well', '5', provider, { verdict: 'ok' }],
])('%s stays what it is', async (_, cost, agent, judgement) => {
  expect(await judgedByEgress(database, await aCostlyRun(cost, '0'), agent, judgement)).toBe(judgement);
});

/** A run whose calls found every key at its limit, `inMs` from now. */
async function aLimitedRun(inMs: number) {
  const run = await aCostlyRun('0', '0');
  const until = new Date(Date.now() + inMs);
  await database.query('update model_use set limited_until = $2 where run_id = $1', [run.id, until]);
  return { run, until: until.toISOString() };
}
const limited: Judgement = {
  verdict: 'outcome',
  outcome: { kind: 'rate_limited', detail: 'The provider said 429', symptom: 'agent_rate_limited' },
};
const failed: Judgement = {
  verdict: 'outcome',
  outcome: { kind: 'failed', detail: 'It asked five times', symptom: 'agent_provider_unavailable' },
};

it.each([
  ['said so and not until when', limited, 'The provider said 429'],
  ['had no words for it', failed, "Every key of the model's provider is at its limit"],
])('a run whose program %s waits until the first key is free', async (_, judgement, detail) => {
  const { run, until } = await aLimitedRun(600_000);
  const judged = await judgedByEgress(database, run, provider, judgement);
  expect(judged.outcome).toEqual({ kind: 'rate_limited', symptom: 'agent_rate_limited', detail, resetAt: until });
});

it('hears of a limit that was written down a moment after the program gave up', async () => {
  const { run } = await aLimitedRun(-1);
  const judging = judgedByEgress(database, run, provider, limited);
  await database.query("update model_use set limited_until = now() + interval '1 minute' where run_id = $1", [run.id]);
  expect((await judging).outcome?.resetAt).toBeDefined();
});

it.each<[string, number, { credentials: string[] }, Judgement]>([
  ['a failure after the limit', -1_000, provider, failed],
  ['a run that ended well all the same', 600_000, provider, { verdict: 'ok' }],
  ['a refused key', 600_000, provider, refused],
  ['an agent that asks no provider', 600_000, { credentials: [] }, failed],
])('%s is not put down to it', async (_, inMs, agent, judgement) => {
  expect(await judgedByEgress(database, (await aLimitedRun(inMs)).run, agent, judgement)).toBe(judgement);
});
