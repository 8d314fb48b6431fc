import fc from 'fast-check';
import {
  EFFECT_STATES,
  MAX_EFFECT_ATTEMPTS,
  claimHolds,
  mayClaim,
  type ClaimSight,
  type EffectState,
} from '@capstan/domain';
import { aRepository, aTask, testDatabase, type TestDatabase } from '@capstan/test-support';
import { Database, claimEffects, migrate, newId, settleEffect, type Effect } from './index.js';

const anyEffect: fc.Arbitrary<ClaimSight> = fc.record({
  state: fc.constantFrom(...EFFECT_STATES),
  parked: rarely(),
  attempts: fc.constantFrom(0, 1, MAX_EFFECT_ATTEMPTS - 1, MAX_EFFECT_ATTEMPTS),
  paused: rarely(),
  resting: fc.boolean(),
  lapsed: fc.boolean(),
});
function rarely(): fc.Arbitrary<boolean> {
  return fc.oneof({ arbitrary: fc.constant(false), weight: 5 }, { arbitrary: fc.constant(true), weight: 1 });
}

describe('The statements that claim and settle effects', () => {
  let server: TestDatabase;
  let database: Database;
  beforeAll(async () => {
    server = await testDatabase({ migrate });
    database = await Database.open({ url: server.url, poolSize: 2 });
  });
  afterAll(async () => {
    await database.close();
    await server.close();
  });

  it('claim what the rule says, each under a higher epoch', async () => {
    const sights = fc.sample(anyEffect, { numRuns: 80, seed: 7 });
    const made = await Promise.all(sights.map(async (sight) => ({ sight, before: await anEffect(sight) })));
    const claimed = await claimEffects(database, 'spec', 'me', { limit: 1_000 });
    const expected = made.filter(({ sight }) => mayClaim(sight));
    expect(expected.length).toBeGreaterThan(5);
    expect(expected.length).toBeLessThan(made.length - 5);
    expect(claimed.map(({ effect }) => [effect.id, effect.state, effect.claimEpoch]).sort()).toEqual(
      expected.map(({ before }) => [before.id, 'claimed', before.claimEpoch + 1]).sort(),
    );
  });

  it('take what a holder records as the rule says', async () => {
    for (const state of EFFECT_STATES)
      for (const claimEpoch of [2, 3, 4]) {
        const effect = await anEffect({
          state,
          parked: false,
          attempts: 1,
          paused: false,
          resting: false,
          lapsed: false,
        });
        const answer = await database.transaction((tx) =>
          settleEffect(tx, { ...effect, claimEpoch }, { state: 'done', remoteId: null, result: {} }),
        );
        expect([state, claimEpoch, answer]).toEqual([
          state,
          claimEpoch,
          claimHolds(effect, { claimEpoch }) ? 'applied' : 'stale',
        ]);
      }
  });

  async function anEffect(sight: ClaimSight): Promise<Effect> {
    const repository = await aRepository(database);
    const task = await aTask(database, repository);
    if (sight.paused)
      await database.query('update workspace set paused_at = now() where id = $1', [repository.workspaceId]);
    const state: EffectState = sight.state;
    const [row] = await database.query<Effect>(
      `insert into effect (id, workspace_id, task_id, kind, executor, key, arguments, state, claim_epoch, attempts,
                           deadline_at, not_before, parked_at)
       values ($1,$2,$3,'comment_ticket','spec',$9,'{}',$4,3,$5,
               clock_timestamp() + case when $6 then interval '-1 hour' else interval '1 hour' end,
               case when $7 then clock_timestamp() + interval '1 hour' end, case when $8 then clock_timestamp() end)
       returning *`,
      [newId(), task.workspaceId, task.id, state, sight.attempts, sight.lapsed, sight.resting, sight.parked, newId()],
    );
    return row!;
  }
});
