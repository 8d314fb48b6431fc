import { sleep, wallMs } from './clock.js';
import { Gate } from './gate.js';
import { LiveClient, type SeenLine } from './live-client.js';
import type { Stage } from './stage.js';

/** The gateway lets one socket follow so many logs. */
const RUNS_PER_CLIENT = 20;
/** What was printed last in the window may be so late. */
const GRACE_MS = 2_000;
export const TICK_SECONDS = 0.05;

export interface Live {
  /** From printing to a client, ms, of every line that was printed within the window. */
  readonly lags: readonly number[];
  readonly faults: readonly string[];
}

/** So many agents with a line every 50 ms each, all of them followed over Socket.IO. */
export async function live(
  stage: Stage,
  { agents, windowMs, directory }: { readonly agents: number; readonly windowMs: number; readonly directory: string },
): Promise<Live> {
  const gate = new Gate(directory, 'live');
  const repository = await stage.repository('log-live', {
    script: 'ticker.sh',
    arguments: [String(TICK_SECONDS), gate.path],
    maxConcurrentTasks: agents,
    maxAgentsPerPod: agents,
  });
  const taskIds = await Promise.all(
    Array.from({ length: agents }, (_, index) => stage.post(repository, `Live ${index}`)),
  );
  const clients: LiveClient[] = [];
  try {
    await stage.untilRuns(taskIds, 'running');
    const runs = await stage.query<{ id: string }>(`select id from run where task_id = any($1)`, [taskIds]);
    const follower = new Map<string, LiveClient>();
    for (const [index, { id }] of runs.entries()) {
      if (index % RUNS_PER_CLIENT === 0) clients.push(await LiveClient.connect(stage.capstan));
      follower.set(id, clients.at(-1)!);
      await clients.at(-1)!.follow(id);
    }
    await sleep(GRACE_MS);
    const begin = wallMs();
    await sleep(windowMs);
    const end = wallMs();
    await sleep(GRACE_MS);
    const seen = [...follower].map(([runId, client]) => ticksWithin(client.seen(runId), begin, end));
    return { lags: seen.flatMap((ticks) => ticks.map(({ lagMs }) => lagMs)), faults: seen.flatMap(faultsOf) };
  } finally {
    gate.open();
    for (const client of clients) client.close();
    await stage.untilFinished(taskIds);
  }
}

interface Tick {
  readonly number: number;
  readonly lagMs: number;
}

function ticksWithin(lines: readonly SeenLine[], begin: number, end: number): Tick[] {
  return lines.flatMap(({ text, seenMs }) => {
    const [, number, seconds] = /^tick (\d+) ([\d.]+)$/.exec(text) ?? [];
    const printed = Number(seconds) * 1_000;
    return printed >= begin && printed < end ? [{ number: Number(number), lagMs: seenMs - printed }] : [];
  });
}

function faultsOf(ticks: readonly Tick[], index: number): string[] {
  if (ticks.length === 0) return [`live agent ${index}: not one line in the window`];
  const torn = ticks.some(({ number }, at) => number !== ticks[0]!.number + at);
  return torn ? [`live agent ${index}: its lines at the client are not in order without a gap`] : [];
}
