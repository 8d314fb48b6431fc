import fc from 'fast-check';
import { RUN_STATES, type RunState } from '@capstan/domain';
import { Database, migrate, type Run } from '@capstan/database';
import { aPod, aRepository, aRun, testDatabase, type TestDatabase } from '@capstan/test-support';
import { recordFinished } from '../drive-run/drive-run.apply.js';
import { leaseRuns } from './lease-run.apply.js';
import { leased, mayLease, mayWriteRun, type LeaseSight } from './lease-run.decide.js';

const anyRun: fc.Arbitrary<LeaseSight> = fc.record({
  state: fc.constantFrom(...RUN_STATES),
  parked: rarely(),
  resting: rarely(),
  ranOut: fc.boolean(),
  unowned: fc.boolean(),
  podComing: fc.boolean(),
  paused: rarely(),
  unwanted: fc.boolean(),
});
function rarely(): fc.Arbitrary<boolean> {
  return fc.oneof({ arbitrary: fc.constant(false), weight: 5 }, { arbitrary: fc.constant(true), weight: 1 });
}

describe('The statements that lease and write runs', () => {
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

  it.each([true, false])('lease what the rule says, takeOver %s', async (takeOver) => {
    const sights = fc.sample(anyRun, { numRuns: 60, seed: 7 });
    const made = await Promise.all(sights.map(async (sight) => ({ sight, before: await aRunLike(sight) })));
    const taken = await leaseRuns(database, 'me', { limit: 1_000, takeOver });
    const expected = made.filter(({ sight }) => mayLease(sight, { takeOver }));
    expect(expected.length).toBeGreaterThan(5);
    expect(expected.length).toBeLessThan(made.length - 5);
    expect(taken.map(rowOf).sort(byId)).toEqual(
      expected.map(({ before }) => rowOf({ ...before, ...leased(before) })).sort(byId),
    );
    await database.query(`update run set parked_at = now()`);
  });

  it('take an owner’s last write as the rule says', async () => {
    for (const state of RUN_STATES)
      for (const named of [2, 3, 4]) {
        const run = await aRunLike({ ...PLAIN, state }, 3);
        const answer = await recordFinished(database, { ...run, epoch: named }, { kind: 'stopped', detail: 'words' });
        expect([state, named, answer]).toEqual([
          state,
          named,
          mayWriteRun(run, { epoch: named }) ? 'applied' : 'fenced',
        ]);
      }
  });

  const PLAIN: LeaseSight = {
    state: 'running',
    parked: false,
    resting: false,
    ranOut: false,
    unowned: false,
    podComing: false,
    paused: false,
    unwanted: false,
  };

  async function aRunLike(sight: LeaseSight, epoch = 1): Promise<Run> {
    const repository = await aRepository(database);
    const pod = await aPod(database, repository, { state: sight.podComing ? 'provisioning' : 'ready' });
    const { run, task } = await aRun(database, repository, {
      pod,
      state: sight.state,
      epoch,
      owner: sight.unowned ? null : 'somebody',
      outcome: sight.state === 'finished' ? { kind: 'stopped', detail: 'words' } : null,
      leaseExpiresAt: sight.ranOut ? new Date(0) : new Date('2100-01-01'),
      parkedAt: sight.parked ? new Date() : null,
      notBefore: sight.resting ? new Date('2100-01-01') : null,
    });
    if (sight.unwanted) await database.query(`update task set intent = 'cancel' where id = $1`, [task.id]);
    if (sight.paused)
      await database.query('update workspace set paused_at = now() where id = $1', [repository.workspaceId]);
    return run;
  }

  function rowOf({ id, state, epoch }: { id: string; state: RunState; epoch: number }): object {
    return { id, state, epoch };
  }
  function byId(a: object, b: object): number {
    return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
  }
});
