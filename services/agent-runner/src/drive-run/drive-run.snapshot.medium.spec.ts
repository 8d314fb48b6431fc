import { Database, migrate, type Pod, type Repository, type Run, type Task } from '@capstan/database';
import { aPod, aRepository, aRun, testDatabase } from '@capstan/test-support';
import { resumes } from './agent-launch.js';
import { readDrive } from './drive-run.snapshot.js';

let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;
let repository: Repository;
let pod: Pod;
let slot = 0;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
  repository = await aRepository(database);
  pod = await aPod(database, repository);
});
afterAll(async () => {
  await database.close();
  await server.close();
});

/** A later run of a task whose earlier ones are these, and what it reads of their sessions. */
async function after(former: readonly Partial<Run>[], run: Partial<Run> = {}) {
  let task: Task | undefined;
  for (const [index, each] of former.entries())
    ({ task } = await aRun(database, repository, {
      pod,
      state: 'finished',
      outcome: { kind: 'failed', detail: 'x', symptom: 'agent_failed' },
      finishedAt: new Date(),
      number: index + 1,
      ...each,
      ...(task && { task }),
    }));
  const { run: latest } = await aRun(database, repository, {
    pod,
    slot: slot++,
    number: former.length + 1,
    reason: 'ci_failed',
    ...run,
    ...(task && { task }),
  });
  const world = await readDrive(database, latest);
  return { session: world.session, facts: world.sessionFacts, resumes: resumes(latest, world) };
}

describe('the session that a run goes on from', () => {
  it('is that of the last run that had one, with what its adapter kept', async () => {
    const parseState = { facts: { total: 7 } };
    expect(await after([{ session: 'first' }, { session: 'second', parseState }, { session: null }])).toEqual({
      session: 'second',
      facts: { total: 7 },
      resumes: true,
    });
  });

  it('is none of another agent, of another life of the task, or of a run that found it gone', async () => {
    const nothing = { session: null, facts: null, resumes: false };
    expect(await after([{ session: 's', agent: { agent: 'codex' } }])).toEqual(nothing);
    expect(await after([{ session: 's' }], { generation: 2 })).toEqual(nothing);
    expect(await after([{ session: 's' }, { session: '' }])).toMatchObject({ resumes: false });
    expect(await after([])).toEqual(nothing);
  });

  it('is left alone by a run that starts from the beginning', async () => {
    expect(await after([{ session: 's' }], { reason: 'initial' })).toMatchObject({ session: 's', resumes: false });
  });
});
