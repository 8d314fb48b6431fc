import { ENDED_STATES, TASK_STATES, type TaskState } from '@capstan/domain';
import { Database, migrate, type Pod, type Repository, type Run } from '@capstan/database';
import { DAY_MS, Metrics, Retention, openLogger, type RetentionRule } from '@capstan/service-kit';
import { aPod, aRepository, aRun, testDatabase } from '@capstan/test-support';
import { writeLog } from '../write-log/write-log.apply.js';
import { expireLogs } from './forget-logs.apply.js';
import { logRule } from './forget-logs.loop.js';

const KEEP_MS = 30 * DAY_MS;
const COMMITS = { kind: 'commits', detail: 'x' } as const;
const lines: string[] = [];
const logger = openLogger({ format: 'json', level: 'info', write: (line) => lines.push(line) });
let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;
let repository: Repository;
let pod: Pod;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
});
afterAll(async () => {
  await database.close();
  await server.close();
});
beforeEach(async () => {
  lines.splice(0);
  await database.query('truncate workspace, outbox, run_log cascade');
  repository = await aRepository(database);
  pod = await aPod(database, repository);
});

async function aFinishedRun(taskState: TaskState, days: number, logLines = 3): Promise<Run> {
  const { run } = await aRun(database, repository, { pod, taskState, state: 'finished', outcome: COMMITS } as never);
  await database.query(`update run set finished_at = clock_timestamp() - $2 * interval '1 day' where id = $1`, [
    run.id,
    days,
  ]);
  await addLines(run, logLines);
  return run;
}
const addLines = (run: Run, count: number) =>
  database.query(
    `insert into run_log (workspace_id, run_id, sequence, at, kind, text)
     select $1, $2, n, clock_timestamp(), 'text', 'line ' || n from generate_series(1, $3::int) n`,
    [run.workspaceId, run.id, count],
  );
const linesOf = async (run: Run): Promise<number> =>
  (await database.query<{ n: number }>('select count(*)::int as n from run_log where run_id = $1', [run.id]))[0]!.n;
const read = async (run: Run): Promise<Run> =>
  (await database.query<Run>('select * from run where id = $1', [run.id]))[0]!;
const sweep = (rule: RetentionRule = logRule(database, KEEP_MS), metrics = new Metrics(), most?: number) =>
  new Retention(metrics, logger, most).sweep([rule], () => false);

it('takes whole logs of old runs whose task has ended, and nothing that an unfinished task needs', async () => {
  const old = new Map<TaskState, Run>();
  for (const state of TASK_STATES) old.set(state, await aFinishedRun(state, 31));
  const young = await aFinishedRun('completed', 29);
  const parked = await aFinishedRun('failed', 31);
  await database.query('update run set parked_at = now() where id = $1', [parked.id]);
  await database.query(
    `insert into usage (workspace_id, run_id, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens)
     select workspace_id, id, 'm', 1, 1, 0, 0 from run`,
  );
  const metrics = new Metrics();
  await sweep(undefined, metrics);
  for (const [state, run] of old) {
    const ended = ENDED_STATES.includes(state as never);
    expect([state, await linesOf(run)]).toEqual([state, ended ? 0 : 3]);
    expect(await read(run)).toMatchObject({
      logExpiredAt: ended ? expect.any(Date) : null,
      logRemovedAt: ended ? expect.any(Date) : null,
    });
  }
  expect([await linesOf(young), await linesOf(parked)]).toEqual([3, 3]);
  const kept = await database.query<{ runs: number; used: number }>(
    'select (select count(*)::int from run) as runs, (select count(*)::int from usage) as used',
  );
  expect(kept).toEqual([{ runs: TASK_STATES.length + 2, used: TASK_STATES.length + 2 }]);
  expect(await metrics.render()).toContain('capstan_retention_deleted_total{table="run_log"} 9');
  expect(await metrics.render()).toMatch(/capstan_retention_oldest_seconds\{table="run_log"\} 26784\d\d/);
  expect(lines.filter((line) => line.includes('old rows deleted'))).toHaveLength(1);
  expect(await database.query(`select 1 from outbox where event = 'run.changed'`)).toHaveLength(3);
  lines.splice(0);
  await sweep();
  expect(lines).toEqual([]);
});

it('leaves the log of a task alone that was taken up again after the look', async () => {
  const run = await aFinishedRun('failed', 31);
  await database.query(`update task set state = 'queued' where id = $1`, [run.taskId]);
  expect(await expireLogs(database, [run.id])).toBe(0);
  expect(await read(run)).toMatchObject({ logExpiredAt: null });
});

it('goes on where it was cut short, and never shows half a log', async () => {
  const run = await aFinishedRun('completed', 31, 250);
  const bite = logRule(database, KEEP_MS).begin();
  while ((await linesOf(run)) === 250) await bite(100);
  expect(await linesOf(run)).toBe(150);
  expect(await read(run)).toMatchObject({ logExpiredAt: expect.any(Date), logRemovedAt: null });
  await sweep();
  expect(await linesOf(run)).toBe(0);
  expect(await read(run)).toMatchObject({ logRemovedAt: expect.any(Date) });
});

it('takes 200,000 lines in bounded bites while a running agent’s lines go on', async () => {
  const old = await aFinishedRun('completed', 40, 200_000);
  const { run: live } = await aRun(database, repository, { pod, state: 'running', taskState: 'running', epoch: 1 });
  const rule = logRule(database, KEEP_MS);
  const bites: number[] = [];
  const counted: RetentionRule = {
    ...rule,
    begin: () => {
      const bite = rule.begin();
      return async (limit) => {
        const done = await bite(limit);
        bites.push(done.deleted);
        return done;
      };
    },
  };
  let over = false;
  let written = 0;
  const writer = (async () => {
    while (!over) {
      written += 1;
      const line = { sequence: written, at: new Date().toISOString(), kind: 'text' as const, text: `live ${written}` };
      const batch = { journalLine: written, logSequence: written, lines: [line] };
      expect(await writeLog(database, live, { ...batch, parseState: null, session: null, usage: null })).toBe(
        'applied',
      );
    }
  })();
  const first = await sweep(counted);
  expect(first).toEqual({ more: true });
  expect(bites.reduce((sum, count) => sum + count, 0)).toBe(100_000);
  const atHalf = written;
  await sweep(counted);
  await sweep(counted);
  over = true;
  await writer;
  expect(Math.max(...bites)).toBeLessThanOrEqual(500);
  expect(bites.length).toBeGreaterThanOrEqual(400);
  expect(await linesOf(old)).toBe(0);
  expect(await linesOf(live)).toBe(written);
  // Lines came throughout: on an idle machine there are some for every bite.
  expect(atHalf).toBeGreaterThan(50);
  expect(written - atHalf).toBeGreaterThan(50);
}, 120_000);
