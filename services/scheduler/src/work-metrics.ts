import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Database, PARKED_ROWS } from '@capstan/database';
import { PARKED_KINDS, RUN_STATES, TASK_STATES, type ParkedKind, type RunState, type TaskState } from '@capstan/domain';
import { HEALTH, METRICS, type CheckFault, type Gauge, type Health, type Metrics } from '@capstan/service-kit';

/** One reading serves all gauges of a scrape, and scrapers that come close together. ms */
const FRESH_MS = 2_000;

type OpenRunState = Exclude<RunState, 'finished'>;
const OPEN_RUN_STATES = RUN_STATES.filter((state): state is OpenRunState => state !== 'finished');

interface Work {
  readonly tasks: Readonly<Record<TaskState, number>>;
  readonly queue: { readonly length: number; readonly oldestSeconds: number };
  readonly runs: Readonly<Record<OpenRunState, number>>;
  readonly effects: { readonly open: number; readonly oldestSeconds: number };
  readonly parked: Readonly<Record<ParkedKind, number>>;
}

/** Puts the numbers of {@link measureWork} on `/metrics`. */
@Injectable()
export class WorkMetrics implements OnApplicationBootstrap {
  constructor(
    private readonly database: Database,
    @Inject(METRICS) private readonly metrics: Metrics,
    @Inject(HEALTH) private readonly health: Health,
  ) {}

  onApplicationBootstrap(): void {
    measureWork(this.database, this.metrics);
    // Shown, as a warning: whatever is not parked goes on as ever.
    this.health.add('parked rows', () => checkParked(this.database), { readiness: false });
  }
}

/** Fails while a row waits for a person. */
export async function checkParked(database: Database): Promise<CheckFault | null> {
  const rows = await readParked(database);
  if (rows.length === 0) return null;
  const words = rows.map(({ name, count }) => `${count} ${name.replaceAll('_', ' ')}`).join(', ');
  return { code: 'rows_parked', reason: `parked: ${words}` };
}

function readParked(database: Database): Promise<Count[]> {
  return database.query<Count>(
    `select kind as name, count(*)::int as count from ${PARKED_ROWS} parked group by kind order by kind`,
  );
}

/**
 * How much work there is in the whole installation, read from Postgres when somebody scrapes: the same numbers from every
 * replica of the scheduler, so take the maximum over replicas, not the sum.
 */
export function measureWork(database: Database, metrics: Metrics): void {
  let reading: { readonly atMs: number; readonly work: Promise<Work> } | undefined;
  const work = (): Promise<Work> => {
    if (reading === undefined || performance.now() - reading.atMs > FRESH_MS)
      reading = { atMs: performance.now(), work: readWork(database) };
    return reading.work;
  };
  const gauge = (name: string, help: string, set: (gauge: Gauge, now: Work) => void) =>
    metrics.gauge(name, help, async (each) => set(each, await work()));
  const byLabel = (label: string, each: Gauge, counts: Readonly<Record<string, number>>) => {
    for (const [value, count] of Object.entries(counts)) each.set(count, { [label]: value });
  };
  gauge('capstan_tasks', 'Tasks, by state', (each, { tasks }) => byLabel('state', each, tasks));
  gauge('capstan_queue_length', 'Tasks that wait for a slot', (each, { queue }) => each.set(queue.length));
  gauge('capstan_queue_oldest_seconds', 'How long the oldest of them has been in the queue', (each, { queue }) =>
    each.set(queue.oldestSeconds),
  );
  gauge('capstan_runs', 'Runs that are not finished, by state', (each, { runs }) => byLabel('state', each, runs));
  gauge('capstan_effects_open', 'Writes to the outside world that are still to be done', (each, { effects }) =>
    each.set(effects.open),
  );
  gauge('capstan_effects_oldest_seconds', 'How long the oldest of them has been asked for', (each, { effects }) =>
    each.set(effects.oldestSeconds),
  );
  gauge('capstan_parked_rows', 'Rows that failed too often and wait for a person, by kind', (each, { parked }) =>
    byLabel('kind', each, parked),
  );
}

async function readWork(database: Database): Promise<Work> {
  const [tasks, runs, parkedRows, [queue], [effects]] = await Promise.all([
    database.query<Count>('select state as name, count(*)::int as count from task group by state'),
    database.query<Count>(
      `select state as name, count(*)::int as count from run where state <> 'finished' group by state`,
    ),
    readParked(database),
    database.query<Backlog>(
      // In the queue since it last came into it: a task of last week that is retried now has only just begun to wait.
      `select count(*)::int as count, ${ageOf('since')} as oldest_seconds from (
         select coalesce((select max(e.at) from task_event e where e.task_id = t.id and e.to_state = 'queued'), t.created_at)
           from task t where t.state = 'queued') queued (since)`,
    ),
    database.query<Backlog>(
      `select count(*)::int as count, ${ageOf('created_at')} as oldest_seconds
         from effect where state in ('requested', 'claimed') and parked_at is null`,
    ),
  ]);
  return {
    tasks: counted(TASK_STATES, tasks),
    runs: counted(OPEN_RUN_STATES, runs),
    parked: counted(PARKED_KINDS, parkedRows),
    queue: { length: queue!.count, oldestSeconds: queue!.oldestSeconds },
    effects: { open: effects!.count, oldestSeconds: effects!.oldestSeconds },
  };
}

interface Count {
  readonly name: string;
  readonly count: number;
}
interface Backlog {
  readonly count: number;
  readonly oldestSeconds: number;
}

const ageOf = (column: string): string =>
  `greatest(coalesce(extract(epoch from clock_timestamp() - min(${column})), 0), 0)::float`;

/** Nothing of a kind is a zero, not a series that is missing. */
function counted<Name extends string>(names: readonly Name[], rows: readonly Count[]): Record<Name, number> {
  const known = new Map(rows.map(({ name, count }) => [name, count]));
  return Object.fromEntries(names.map((name) => [name, known.get(name) ?? 0])) as Record<Name, number>;
}
