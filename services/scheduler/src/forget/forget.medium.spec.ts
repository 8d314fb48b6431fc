import { ENDED_STATES, TASK_STATES } from '@capstan/domain';
import { Database, migrate, newId } from '@capstan/database';
import { Metrics, Retention, openLogger } from '@capstan/service-kit';
import { SPEC, aPod, aRepository, aRun, testDatabase } from '@capstan/test-support';
import { schedulerRules } from './forget.loop.js';

const logger = openLogger({ format: 'json', level: 'silent', write: () => undefined });
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

it('forgets answered requests of ended tasks; open, parked and young ones, messages that nobody got, and those of other tasks stay', async () => {
  const repository = await aRepository(database);
  const pod = await aPod(database, repository);
  const asked = async (name: string, taskId: string, answered: string | null, parked = false, kind = 'cancel') =>
    database.query(
      `insert into task_request (id, workspace_id, task_id, kind, arguments, actor, created_at, answered_at, parked_at, answer)
       values ($1,$2,$3,$8,$4,$5, now() - interval '90 days', now() + $6::interval, case when $7 then now() end, '{"applied":true}')`,
      [newId(), repository.workspaceId, taskId, { name }, SPEC, answered, parked, kind],
    );
  const wanted: string[] = [];
  for (const taskState of TASK_STATES) {
    const { task } = await aRun(database, repository, {
      pod,
      taskState,
      state: 'finished',
      outcome: { kind: 'commits', detail: 'x' },
    } as never);
    await asked(`${taskState} old`, task.id, '-31 days');
    await asked(`${taskState} young`, task.id, '-29 days');
    await asked(`${taskState} open`, task.id, null);
    await asked(`${taskState} parked`, task.id, '-31 days', true);
    await asked(`${taskState} message`, task.id, '-31 days', false, 'message');
    wanted.push(`${taskState} young`, `${taskState} open`, `${taskState} parked`, `${taskState} message`);
    if (!ENDED_STATES.includes(taskState as never)) wanted.push(`${taskState} old`);
  }
  const events = await database.query('select 1 from task_event');
  await new Retention(new Metrics(), logger).sweep(schedulerRules(database, 30), () => false);
  const left = await database.query<{ name: string }>(`select arguments->>'name' as name from task_request`);
  expect(left.map(({ name }) => name).sort()).toEqual(wanted.sort());
  expect(await database.query('select 1 from task_event')).toHaveLength(events.length);
});
