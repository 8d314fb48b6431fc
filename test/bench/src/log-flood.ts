import type { LiveClient } from './live-client.js';
import { CostSampler } from './process-cost.js';
import type { Stage, StageRepository } from './stage.js';

export const FLOOD_LINES = 20_000;
/** Preparing says one line of Capstan's own. */
const AT_LEAST = FLOOD_LINES + 1;

export interface Flood {
  readonly printedMs: number;
  readonly perSecond: number;
  readonly lags: readonly number[];
  readonly cost: ReturnType<CostSampler['end']>;
  readonly faults: readonly string[];
}

/** 20,000 lines of one agent, each with the time at which it was printed, into Postgres and to a Socket.IO client. */
export async function flood(
  stage: Stage,
  client: LiveClient,
  repository: StageRepository,
  name: string,
): Promise<Flood> {
  const sampler = new CostSampler(stage.capstan.hostPid);
  const taskId = await stage.post(repository, `Log ${name}`);
  const runId = await client.runOf(taskId);
  await client.follow(runId);
  await stage.untilFinished([taskId]);
  await client.until(runId, AT_LEAST, 5_000);
  const cost = sampler.end();
  const stored = await stage.query<{ text: string }>(
    `select text from run_log where run_id = $1 and text like 'line %' order by sequence`,
    [runId],
  );
  const [run] = await stage.query<{ last: number }>(
    `select extract(epoch from last_line_at)::float8 * 1000 as last from run where id = $1`,
    [runId],
  );
  const seen = client.seen(runId).filter(({ text }) => text.startsWith('line '));
  client.unfollow(runId);
  const printed = seen.map(({ text }) => Number(text.split(' ')[2]) * 1_000);
  const first = printed[0] ?? 0;
  return {
    printedMs: (printed.at(-1) ?? 0) - first,
    perSecond: (FLOOD_LINES * 1_000) / (run!.last - first),
    lags: seen.map(({ seenMs }, index) => seenMs - printed[index]!),
    cost,
    faults: [...outOfOrder(`round ${name}, Postgres`, stored), ...outOfOrder(`round ${name}, the client`, seen)],
  };
}

/** Every line once and in order, or what is wrong. */
function outOfOrder(where: string, lines: readonly { readonly text: string }[]): string[] {
  if (lines.length !== FLOOD_LINES) return [`${where}: ${lines.length} of ${FLOOD_LINES} lines`];
  const wrong = lines.findIndex(({ text }, index) => Number(text.split(' ')[1]) !== index + 1);
  return wrong < 0 ? [] : [`${where}: line ${wrong + 1} is not in its place`];
}
