import { Database, migrate } from '@capstan/database';
import { aRepository, aRun, testDatabase } from '@capstan/test-support';
import { renewLeases } from './lease-run.apply.js';

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

/** What the renewal of a run says of its task's budget of 2 dollars. */
async function renewed(told: string, counted: readonly string[]) {
  const repository = await aRepository(database, { maxCostUsd: '2' as never });
  const { run } = await aRun(database, repository, { state: 'running', owner: 'spec', epoch: 1, costUsd: told });
  for (const [index, cost] of counted.entries())
    await database.query(
      `insert into model_use (workspace_id, run_id, provider, model, calls, input_tokens, output_tokens, cache_read_tokens,
                              cache_write_tokens, cost_usd, unpriced_calls)
         values ($1, $2, 'openai', $4, 1, 1, 1, 0, 0, $3, 0)`,
      [run.workspaceId, run.id, cost, `m${index}`],
    );
  const [answer] = await renewLeases(database, 'spec', [{ id: run.id, epoch: 1 }]);
  return answer!.spent;
}

it.each([
  ['what the agent told', '2.04', ['0.10'], { costUsd: '2.04', maxCostUsd: '2.00' }],
  ['what egress counted, though the agent tells nothing', '0', ['1.5', '0.5'], { costUsd: '2.00', maxCostUsd: '2.00' }],
])('a renewal says that the budget is spent, by %s', async (_what, told, counted, spent) => {
  expect(await renewed(told, counted)).toEqual(spent);
});

it('a renewal says nothing of a budget that is not spent, and adds no account to the other', async () => {
  expect(await renewed('1.50', ['1.50'])).toBeNull();
  expect(await renewed('0', [])).toBeNull();
});
