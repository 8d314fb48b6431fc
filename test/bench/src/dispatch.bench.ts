import type { BenchOptions } from './bench-options.js';
import { openLoop, sleep, wallMs } from './clock.js';
import { GraphileQueue } from './graphile-queue.js';
import { SPREAD_COLUMNS, round, spreadRow, type BenchReport } from './report.js';
import type { Stage, StageRepository } from './stage.js';
import { spread, type Spread } from './statistics.js';

const WARM_UP = 50;
const SIZES = {
  full: { slow: { perSecond: 1, count: 30 }, fast: { perSecond: 100, count: 1_000 } },
  quick: { slow: { perSecond: 1, count: 6 }, fast: { perSecond: 100, count: 200 } },
} as const;
const SETTINGS = ['defaults', 'local queue'] as const;

/**
 * POST /api/tasks → the run's lease, beside graphile-worker on the same Postgres. The null runtime is the real system
 * whose repository has lost its credential: each run is placed and leased as ever, and ended before a process is made.
 */
export async function benchDispatch(stage: Stage, { form }: BenchOptions): Promise<BenchReport> {
  const { slow, fast } = SIZES[form];
  const repository = await nullRepository(stage);
  const faults: string[] = [];
  await dispatch(stage, repository, { perSecond: 25, count: WARM_UP }, faults);
  const oursSlow = await dispatch(stage, repository, slow, faults);
  const oursFast = await dispatch(stage, repository, fast, faults);
  const theirs: Theirs[] = [];
  for (const settings of SETTINGS) {
    const queue = await GraphileQueue.start(stage.databaseUrl, settings);
    try {
      await graphile(queue, { perSecond: 25, count: WARM_UP });
      theirs.push({ settings, slow: await graphile(queue, slow), fast: await graphile(queue, fast) });
    } finally {
      await queue.close();
    }
  }
  return report({ form, oursSlow, oursFast, theirs, faults });
}

interface Theirs {
  readonly settings: (typeof SETTINGS)[number];
  readonly slow: Spread;
  readonly fast: Spread;
}

interface All {
  readonly form: BenchOptions['form'];
  readonly oursSlow: Dispatched;
  readonly oursFast: Dispatched;
  readonly theirs: readonly Theirs[];
  readonly faults: readonly string[];
}

function report({ form, oursSlow, oursFast, theirs, faults }: All): BenchReport {
  const { slow, fast } = SIZES[form];
  // Held against the better of its two settings, at each rate for itself.
  const [bestSlow, bestFast] = [best(theirs.map((each) => each.slow)), best(theirs.map((each) => each.fast))];
  const [madeSlow, madeFast] = [`n = ${slow.count}`, `n = ${fast.count}, open loop`];
  return {
    bench: 'dispatch: POST /api/tasks → the run is leased (null runtime)',
    how: [
      `1/s: n = ${slow.count}; 100/s: n = ${fast.count}, open loop, latency counts from when the request was due; ${WARM_UP} before to warm up`,
      'maxConcurrentTasks 1000, 50 agents per pod, 20 pods, 10,000 in all, 1,000 worker slots; every run ends at once',
      'leased: the clock within the transaction of the lease (its commit follows); over HTTP, with outbox and NATS',
      'graphile-worker 0.18 beside: add_job by a plain pg pool → task function, a process of its own, 10 jobs at once;',
      '  defaults: LISTEN/NOTIFY, pollInterval 2 s; local queue: size 11. Capstan idles meanwhile, and the other way round;',
      '  × is ours over the better of its two settings, per rate and column',
    ],
    tables: [
      {
        title: 'ms',
        columns: SPREAD_COLUMNS,
        rows: [
          spreadRow('Capstan, 1/s', oursSlow.leased),
          spreadRow('Capstan, 100/s', oursFast.leased),
          spreadRow('  of it: POST answered', oursFast.answered),
          spreadRow('  of it: placed', oursFast.placed),
          ...theirs.map((each) => spreadRow(`graphile-worker (${each.settings}), 1/s`, each.slow)),
          ...theirs.map((each) => spreadRow(`graphile-worker (${each.settings}), 100/s`, each.fast)),
        ],
      },
      {
        title: '× graphile-worker',
        columns: ['p50', 'p95', 'p99'],
        rows: [timesRow('1/s', oursSlow.leased, bestSlow), timesRow('100/s', oursFast.leased, bestFast)],
      },
    ],
    figures: [
      { key: 'dispatch.slow.p50', value: oursSlow.leased.p50, made: madeSlow },
      { key: 'dispatch.slow.p99', value: oursSlow.leased.p99, made: madeSlow },
      { key: 'dispatch.fast.p50', value: oursFast.leased.p50, made: madeFast },
      { key: 'dispatch.fast.p95', value: oursFast.leased.p95, made: madeFast },
      { key: 'dispatch.fast.p99', value: oursFast.leased.p99, made: madeFast },
      { key: 'dispatch.slow.ratio', value: oursSlow.leased.p50 / bestSlow.p50, made: `${madeSlow} each` },
      { key: 'dispatch.fast.ratio', value: oursFast.leased.p50 / bestFast.p50, made: `${madeFast}, each` },
    ],
    ratios: [
      { key: 'dispatch.slow', ours: oursSlow.leased.p50, yardstick: bestSlow.p50 },
      { key: 'dispatch.fast', ours: oursFast.leased.p50, yardstick: bestFast.p50 },
    ],
    faults,
  };
}

type Percentiles = Pick<Spread, 'p50' | 'p95' | 'p99'>;

function best(spreads: readonly Spread[]): Percentiles {
  const least = (of: (each: Spread) => number): number => Math.min(...spreads.map(of));
  return { p50: least(({ p50 }) => p50), p95: least(({ p95 }) => p95), p99: least(({ p99 }) => p99) };
}

function timesRow(name: string, ours: Percentiles, theirs: Percentiles): (string | number)[] {
  return [name, round(ours.p50 / theirs.p50), round(ours.p95 / theirs.p95), round(ours.p99 / theirs.p99)];
}

/** A repository without a credential: its runs are placed and leased, and end before a process is made. */
export async function nullRepository(stage: Stage): Promise<StageRepository> {
  const repository = await stage.repository('null', {
    script: 'first-instruction.sh',
    maxConcurrentTasks: 1_000,
    maxAgentsPerPod: 50,
    maxPodInstances: 20,
  });
  await stage.untilFinished([await stage.post(repository, 'To make the pod')]);
  await stage.capstan.call('DELETE', `/api/secrets/GITHUB_TOKEN?repositoryId=${repository.id}`);
  return repository;
}

interface Dispatched {
  readonly answered: Spread;
  readonly placed: Spread;
  readonly leased: Spread;
}

/** Asks for null tasks at a rate, and tells from when each was due to when it was answered, placed and leased. */
export async function dispatch(
  stage: Stage,
  repository: StageRepository,
  load: { readonly perSecond: number; readonly count: number },
  faults: string[],
): Promise<Dispatched> {
  const due = new Map<string, { dueMs: number; answeredMs: number }>();
  await openLoop(load, async (dueMs) => {
    const id = await stage.post(repository, 'Null');
    due.set(id, { dueMs, answeredMs: wallMs() });
  });
  await stage.untilFinished([...due.keys()]);
  const rows = await stage.query<{ taskId: string; placed: number; leased: number; epoch: number }>(
    `select task_id as "taskId", extract(epoch from placed_at)::float8 * 1000 as placed,
            extract(epoch from leased_at)::float8 * 1000 as leased, epoch from run where task_id = any($1)`,
    [[...due.keys()]],
  );
  if (rows.length !== load.count) faults.push(`${load.perSecond}/s: ${rows.length} runs of ${load.count} tasks`);
  const again = rows.filter(({ epoch }) => epoch !== 1).length;
  if (again > 0) faults.push(`${load.perSecond}/s: ${again} runs were leased more than once`);
  const since = (of: (row: (typeof rows)[number]) => number): Spread =>
    spread(rows.map((row) => of(row) - due.get(row.taskId)!.dueMs));
  return {
    answered: spread([...due.values()].map(({ dueMs, answeredMs }) => answeredMs - dueMs)),
    placed: since(({ placed }) => placed),
    leased: since(({ leased }) => leased),
  };
}

async function graphile(
  queue: GraphileQueue,
  load: { readonly perSecond: number; readonly count: number },
): Promise<Spread> {
  const latencies: number[] = [];
  queue.onBegun((dueMs, begunMs) => latencies.push(begunMs - dueMs));
  await openLoop(load, (dueMs) => queue.add(dueMs));
  for (const end = performance.now() + 30_000; latencies.length < load.count && performance.now() < end;)
    await sleep(20);
  if (latencies.length !== load.count) throw new Error(`graphile-worker began ${latencies.length} of ${load.count}`);
  return spread(latencies);
}
