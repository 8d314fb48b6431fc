import { openLoop, sleep, wallMs } from './clock.js';
import { GraphileQueue } from './graphile-queue.js';
import { PEER } from './peer.js';
import { SPREAD_COLUMNS, spreadRow, type BenchReport } from './report.js';
import type { Stage, StageRepository } from './stage.js';
import { spread, type Spread } from './statistics.js';

const WARM_UP = 50;
const SLOW = { perSecond: 1, count: 30 };
const FAST = { perSecond: 100, count: 1_000 };
const SETTINGS = ['defaults', 'local queue'] as const;

interface Measured {
  readonly name: string;
  readonly spread: Spread;
}

/**
 * POST /api/tasks → the run's lease, beside graphile-worker on the same Postgres. The null runtime is the real system
 * whose repository has lost its credential: each run is placed and leased as ever, and ended before a process is made.
 */
export async function benchDispatch(stage: Stage): Promise<BenchReport> {
  const repository = await nullRepository(stage);
  const faults: string[] = [];
  await capstan(stage, repository, { perSecond: 25, count: WARM_UP }, faults);
  const ours: Measured[] = [
    { name: 'Capstan, 1/s', spread: (await capstan(stage, repository, SLOW, faults)).leased },
    ...named('Capstan, 100/s', await capstan(stage, repository, FAST, faults)),
  ];
  const theirs: Measured[] = [];
  for (const settings of SETTINGS) {
    const queue = await GraphileQueue.start(stage.databaseUrl, settings);
    try {
      await graphile(queue, { perSecond: 25, count: WARM_UP });
      theirs.push({ name: `graphile-worker (${settings}), 1/s`, spread: await graphile(queue, SLOW) });
      theirs.push({ name: `graphile-worker (${settings}), 100/s`, spread: await graphile(queue, FAST) });
    } finally {
      await queue.close();
    }
  }
  const slow = ours[0]!.spread;
  const fast = ours[1]!.spread;
  return {
    bench: 'dispatch: POST /api/tasks → the run is leased (null runtime)',
    how: [
      `1/s: n = ${SLOW.count}; 100/s: n = ${FAST.count}, open loop, latency counts from when the request was due; ${WARM_UP} before to warm up`,
      'maxConcurrentTasks 1000, 50 agents per pod, 20 pods, 10,000 in all, 1,000 worker slots; every run ends at once',
      'leased: the clock within the transaction of the lease (its commit follows); over HTTP, with outbox and NATS',
      'graphile-worker 0.18 beside: add_job by a plain pg pool → task function, a process of its own, 10 jobs at once;',
      '  defaults: LISTEN/NOTIFY, pollInterval 2 s; local queue: size 11. Capstan idles meanwhile, and the other way round',
    ],
    tables: [
      {
        title: 'ms',
        columns: SPREAD_COLUMNS,
        rows: [...ours, ...theirs].map((row) => spreadRow(row.name, row.spread)),
      },
    ],
    figures: [
      {
        name: 'leased at 1/s, p50 (the peer: "running")',
        value: slow.p50,
        unit: 'ms',
        better: 'lower',
        peerBest: PEER.runningP50Ms,
      },
      { name: 'leased at 100/s, p50', value: fast.p50, unit: 'ms', better: 'lower', peerBest: null },
      { name: 'leased at 100/s, p99', value: fast.p99, unit: 'ms', better: 'lower', peerBest: null },
    ],
    faults,
  };
}

function named(name: string, { leased, answered, placed }: Dispatched): Measured[] {
  return [
    { name, spread: leased },
    { name: '  of it: POST answered', spread: answered },
    { name: '  of it: placed', spread: placed },
  ];
}

async function nullRepository(stage: Stage): Promise<StageRepository> {
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

async function capstan(
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
