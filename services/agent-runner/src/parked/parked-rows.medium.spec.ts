import { ParkedRequests, openLogger } from '@capstan/service-kit';
import { Database, migrate, type Run } from '@capstan/database';
import { aRepository, aRun, askOfParked, park, parkedIn, testDatabase } from '@capstan/test-support';
import { leaseRuns } from '../lease-run/lease-run.apply.js';
import { parkedVerbs } from './parked-rows.apply.js';

let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;
let owner: ParkedRequests;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
  const lease = async (runId: string) =>
    void (await leaseRuns(database, 'runner', { limit: 1, runId, takeOver: true }));
  const logger = openLogger({ format: 'text', level: 'silent' });
  owner = new ParkedRequests({ database, logger, owner: 'agent-runner', verbs: parkedVerbs(lease) });
});
afterAll(async () => {
  await database.close();
  await server.close();
});
beforeEach(() => database.query('truncate workspace, outbox cascade'));

const read = async ({ id }: Run) => (await database.query<Run>('select * from run where id = $1', [id]))[0]!;
const ask = ({ workspaceId, id: rowId }: Run, action: 'replay' | 'drop') =>
  askOfParked(database, owner, { workspaceId, kind: 'run', rowId, action });

async function aParkedRun(over: Partial<Run>): Promise<Run> {
  const { run } = await aRun(database, await aRepository(database), { epoch: 3, ...over });
  await park(database, 'run', run.id);
  expect(await parkedIn(database)).toEqual([{ kind: 'run', id: run.id }]);
  return run;
}

describe('a parked run', () => {
  it('is leased at once when it is replayed, under a higher epoch', async () => {
    const run = await aParkedRun({ state: 'leased' });
    expect(await leaseRuns(database, 'runner', { limit: 1, takeOver: true })).toEqual([]);
    expect(await ask(run, 'replay')).toMatchObject({ applied: true, code: 'replayed' });
    expect(await read(run)).toMatchObject({ state: 'leased', owner: 'runner', epoch: 4, attempts: 0, parkedAt: null });
    expect(await ask(run, 'replay')).toMatchObject({ code: 'not_parked' });
  });

  it('is ended by a drop, so that its slot is free', async () => {
    const run = await aParkedRun({ state: 'placed' });
    expect(await ask(run, 'drop')).toMatchObject({ applied: true, code: 'dropped' });
    const ended = await read(run);
    expect(ended).toMatchObject({
      state: 'finished',
      epoch: 4,
      fencedAt: null,
      outcome: { kind: 'failed', symptom: 'dropped', detail: expect.stringContaining('failed 8 times: boom') },
    });
    expect(await parkedIn(database)).toEqual([]);
    const events = await database.query<{ event: string }>('select event from outbox order by created_at, id');
    expect(events.map(({ event }) => event)).toContain('run.finished');
    expect(await ask(run, 'drop')).toMatchObject({ code: 'not_parked' });
    expect(await read(run)).toEqual(ended);
  });

  it('whose agent was launched is fenced by a drop: nobody can say that it is gone', async () => {
    const run = await aParkedRun({ state: 'running', launchedAt: new Date() });
    expect((await ask(run, 'drop')).detail).toContain('fenced');
    expect(await read(run)).toMatchObject({ state: 'finished', fencedAt: expect.any(Date) });
  });
});
