import { LEASE_MS } from '@capstan/domain';
import { Database, MAX_ROW_ATTEMPTS, migrate, type Run } from '@capstan/database';
import { aRepository, aRun, parkedIn, testDatabase } from '@capstan/test-support';
import { leaseRuns } from './lease-run.apply.js';

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
beforeEach(() => database.query('truncate workspace, outbox cascade'));

const read = async (id: string) => (await database.query<Run>('select * from run where id = $1', [id]))[0]!;
const takeOver = async () => (await leaseRuns(database, 'sibling', { limit: 9, takeOver: true })).map(({ id }) => id);

async function aLeasedRun(): Promise<string> {
  const { run } = await aRun(database, await aRepository(database));
  expect(await leaseRuns(database, 'first', { limit: 9, takeOver: false })).toHaveLength(1);
  return run.id;
}

/** Its owner is gone: it had renewed the lease until so long after it took it. */
async function ownerDies(id: string, { afterMs }: { afterMs: number }): Promise<void> {
  await database.query(
    `update run set lease_began_at = clock_timestamp() - interval '1 hour', not_before = null,
            last_line_at = last_line_at - interval '1 hour', launched_at = launched_at - interval '1 hour' where id = $1`,
    [id],
  );
  await database.query(`update run set lease_expires_at = lease_began_at + $2 * interval '1 ms' where id = $1`, [
    id,
    afterMs + LEASE_MS,
  ]);
}

/** As often as a row may fail, less one. */
async function nearTheCap(): Promise<string> {
  const id = await aLeasedRun();
  for (let time = 1; time < MAX_ROW_ATTEMPTS; time += 1) {
    await ownerDies(id, { afterMs: 1_000 });
    await takeOver();
    if ((await read(id)).notBefore !== null) await database.query('update run set not_before = null');
    if ((await read(id)).owner === null) expect(await takeOver()).toEqual([id]);
  }
  expect(await read(id)).toMatchObject({ attempts: MAX_ROW_ATTEMPTS - 1, parkedAt: null, owner: 'sibling' });
  return id;
}

it('a run that ends whoever drives it is parked at the cap', async () => {
  const id = await nearTheCap();
  const { epoch } = await read(id);
  await ownerDies(id, { afterMs: 1_000 });
  expect(await takeOver()).toEqual([]);
  expect(await read(id)).toMatchObject({
    attempts: MAX_ROW_ATTEMPTS,
    owner: null,
    epoch: epoch + 1,
    lastErrorCode: 'run_ends_runner',
    lastError: expect.stringContaining('sibling'),
  });
  expect(await parkedIn(database)).toEqual([{ kind: 'run', id }]);
  expect(await takeOver()).toEqual([]);
});

it('is taken over at once the first times, then rests longer and longer, counted once for each lease', async () => {
  const id = await aLeasedRun();
  for (const time of [1, 2]) {
    await ownerDies(id, { afterMs: 1_000 });
    expect(await takeOver()).toEqual([id]);
    expect(await read(id)).toMatchObject({ attempts: time, owner: 'sibling' });
  }
  await ownerDies(id, { afterMs: 1_000 });
  for (const look of ['first', 'second']) {
    expect([look, await takeOver()]).toEqual([look, []]);
    expect(await read(id)).toMatchObject({ attempts: 3, owner: null, notBefore: expect.any(Date), parkedAt: null });
  }
});

it.each<[string, (id: string) => Promise<unknown>]>([
  ['its log grew', (id) => database.query('update run set last_line_at = clock_timestamp() where id = $1', [id])],
  [
    'its agent was launched',
    (id) => database.query('update run set launched_at = clock_timestamp() where id = $1', [id]),
  ],
  ['its owner renewed the lease for a while', (id) => ownerDies(id, { afterMs: 12_000 })],
])('forgets former attempts when %s under the last lease', async (_progress, comesOn) => {
  const id = await nearTheCap();
  await ownerDies(id, { afterMs: 1_000 });
  await comesOn(id);
  expect(await takeOver()).toEqual([id]);
  expect(await read(id)).toMatchObject({ attempts: 0, lastError: null, lastErrorCode: null, parkedAt: null });
});

it('counts nothing when a lease was given back, and nothing while a peer may still renew', async () => {
  const id = await aLeasedRun();
  await ownerDies(id, { afterMs: 1_000 });
  expect(await leaseRuns(database, 'sibling', { limit: 9, takeOver: false })).toEqual([]);
  expect(await read(id)).toMatchObject({ attempts: 0, owner: 'first' });
  await database.query('update run set owner = null');
  expect(await takeOver()).toEqual([id]);
  expect(await read(id)).toMatchObject({ attempts: 0, owner: 'sibling' });
});
