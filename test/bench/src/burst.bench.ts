import { wallMs } from './clock.js';
import { round, type BenchReport } from './report.js';
import type { Stage } from './stage.js';
import { inversions, spread } from './statistics.js';

const TASKS = 20;
const TASK_SECONDS = 2;

interface Burst {
  readonly work: Work;
  readonly capacity: number;
  readonly acceptedMs: number;
  readonly finishedSeconds: number;
  readonly openedSeconds: number;
  /** Seconds from its POST to its agent's first instruction, in the order of the POSTs. */
  readonly waits: readonly number[];
  readonly inversions: number;
  readonly faults: readonly string[];
}

/** What the agents of a burst do. */
type Work = 'nothing' | 'commit';

/**
 * 20 tasks of two seconds on one repository, asked for at once: first with an agent that leaves nothing to publish, as
 * the peer's did, then with one whose commit is really pushed and gets a pull request.
 */
export async function benchBurst(stage: Stage): Promise<BenchReport> {
  // The peer's process had carried many tasks before its bursts: ours may have warmed up as well.
  await once(stage, 10, 'commit', 'warm-up');
  const like10 = await once(stage, 10, 'nothing');
  const like2 = await once(stage, 2, 'nothing');
  const at10 = await once(stage, 10, 'commit');
  const at2 = await once(stage, 2, 'commit');
  const all = [like10, like2, at10, at2];
  return {
    bench: `burst: ${TASKS} tasks of ${TASK_SECONDS} s on one repository, asked for at once`,
    how: [
      'one burst of each sort, after an unmeasured one and a task to make the pod; drained is when the last run is judged and its slot free',
      "like for like: the agent sleeps and ends, as the peer's did (it printed an address, and nothing was pushed or read)",
      'with work: each agent commits, its branch is checked, pushed for real, and gets a pull request; the peer has no such figure',
      "the peer's best is without its 30-s hold",
    ],
    tables: [
      {
        title: 'capacity',
        columns: [
          'work',
          'ideal s',
          'drained s',
          'pull requests open s',
          'POSTs in ms',
          'wait p50 s',
          'wait max s',
          'inversions of 190',
        ],
        rows: all.map((burst) => [
          String(burst.capacity),
          burst.work,
          (TASKS * TASK_SECONDS) / burst.capacity,
          round(burst.finishedSeconds),
          burst.work === 'commit' ? round(burst.openedSeconds) : '',
          Math.round(burst.acceptedMs),
          round(spread(burst.waits).p50),
          round(spread(burst.waits).max),
          burst.inversions,
        ]),
      },
    ],
    figures: [
      { key: 'burst.10', value: like10.finishedSeconds, made: 'one burst, nothing to publish, as the peer had it' },
      { key: 'burst.2', value: like2.finishedSeconds, made: 'one burst, nothing to publish, as the peer had it' },
    ],
    ratios: [],
    faults: all.flatMap(({ faults }) => faults),
  };
}

interface Ended extends Record<string, unknown> {
  readonly taskId: string;
  readonly runs: number;
  readonly begins: number;
  readonly began: number | null;
  readonly finished: number;
  readonly opened: number | null;
}

async function once(stage: Stage, capacity: number, work: Work, name: string = work): Promise<Burst> {
  const repository = await stage.repository(`burst-${name}-${capacity}`, {
    script: work === 'commit' ? 'two-seconds.sh' : 'two-seconds-nothing.sh',
    maxConcurrentTasks: capacity,
    maxAgentsPerPod: capacity,
  });
  const warmUp = await stage.post(repository, 'To make the pod');
  await untilRest(stage, [warmUp]);
  const sent: number[] = [];
  const asked = wallMs();
  const ids = await Promise.all(
    Array.from({ length: TASKS }, (_, index) => {
      sent.push(wallMs());
      return stage.post(repository, `Burst ${index}`);
    }),
  );
  const acceptedMs = wallMs() - asked;
  await untilRest(stage, ids);
  const ended = await readEnded(stage, ids);
  const atForge = await stage.pullRequestsAtForge(repository);
  const begun = ended.map(({ began }) => began ?? Number.NaN);
  return {
    work,
    capacity,
    acceptedMs,
    finishedSeconds: (Math.max(...ended.map(({ finished }) => finished)) - asked) / 1_000,
    openedSeconds: (Math.max(...ended.map(({ opened }) => opened ?? Number.POSITIVE_INFINITY)) - asked) / 1_000,
    waits: ended.map(({ taskId, began }) => ((began ?? Number.NaN) - sent[ids.indexOf(taskId)]!) / 1_000),
    inversions: inversions(begun),
    faults: faultsOf(capacity, work, ended, atForge),
  };
}

/** Waits until each task's pull request is open, or it has come to rest without one. */
async function untilRest(stage: Stage, ids: readonly string[]): Promise<void> {
  await stage.until(`${ids.length} tasks at rest`, async () => {
    const [row] = await stage.query<{ rest: number }>(
      `select count(*)::int as rest from task where id = any($1) and state in ('pr_opened','needs_attention','failed','cancelled','completed')`,
      [ids],
    );
    return row!.rest === ids.length;
  });
}

/** In the order in which they were created, which is the order in which they should begin. */
function readEnded(stage: Stage, ids: readonly string[]): Promise<Ended[]> {
  return stage.query<Ended>(
    `select t.id as "taskId", count(distinct r.id)::int as runs, max(extract(epoch from r.finished_at))::float8 * 1000 as finished,
            count(l.text)::int as begins, min(substr(l.text, 7)::float8) * 1000 as began,
            (select min(extract(epoch from e.at))::float8 * 1000 from task_event e where e.task_id = t.id and e.to_state = 'pr_opened') as opened
       from task t left join run r on r.task_id = t.id
       left join run_log l on l.run_id = r.id and l.text like 'began %'
      where t.id = any($1) group by t.id, t.created_at order by t.created_at, t.id`,
    [ids],
  );
}

function faultsOf(
  capacity: number,
  work: Work,
  ended: readonly Ended[],
  atForge: readonly { head: string }[],
): string[] {
  const where = `capacity ${capacity}, ${work}`;
  const faults: string[] = [];
  if (ended.length !== TASKS) faults.push(`${where}: ${ended.length} of ${TASKS} tasks are there`);
  const notOnce = ended.filter(({ runs, begins }) => runs !== 1 || begins !== 1).length;
  if (notOnce > 0) faults.push(`${where}: ${notOnce} tasks were not begun exactly once`);
  const opened = TASKS + 1;
  if (work === 'nothing') {
    if (atForge.length !== 0) faults.push(`${where}: the forge has ${atForge.length} pull requests`);
    return faults;
  }
  const unopened = ended.filter(({ opened }) => opened === null).length;
  if (unopened > 0) faults.push(`${where}: ${unopened} tasks have no pull request`);
  const heads = new Set(atForge.map(({ head }) => head)).size;
  if (atForge.length !== opened || heads !== opened)
    faults.push(`${where}: the forge has ${atForge.length} pull requests of ${heads} branches, not ${opened}`);
  return faults;
}
