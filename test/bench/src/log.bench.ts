import { LiveClient } from './live-client.js';
import { PEER } from './peer.js';
import { CostSampler } from './process-cost.js';
import { SPREAD_COLUMNS, round, spreadRow, type BenchReport } from './report.js';
import type { Stage, StageRepository } from './stage.js';
import { spread } from './statistics.js';

const LINES = 20_000;
const ROUNDS = 3;
/** Preparing says one line of Capstan's own. */
const AT_LEAST = LINES + 1;

interface Round {
  readonly printedMs: number;
  readonly perSecond: number;
  readonly lags: readonly number[];
  readonly cost: ReturnType<CostSampler['end']>;
  readonly faults: readonly string[];
}

/** 20,000 lines of one agent, into Postgres and to a Socket.IO client. */
export async function benchLog(stage: Stage): Promise<BenchReport> {
  const repository = await stage.repository('log', { script: 'chatter.sh', arguments: [String(LINES)] });
  const client = await LiveClient.connect(stage.capstan);
  const rounds: Round[] = [];
  try {
    await once(stage, client, repository, 'to warm up');
    for (let index = 1; index <= ROUNDS; index += 1) rounds.push(await once(stage, client, repository, `${index}`));
  } finally {
    client.close();
  }
  const speed = spread(rounds.map(({ perSecond }) => perSecond));
  const lag = spread(rounds.flatMap(({ lags }) => lags));
  return {
    bench: `log: ${LINES.toLocaleString('en')} lines by one agent → Postgres and a Socket.IO client`,
    how: [
      `${ROUNDS} rounds, one before to warm up; a bash loop prints each line with its time; nothing else runs`,
      'lines/s: from the first line printed until the last one is committed; lag: from printing to the client',
    ],
    tables: [
      {
        title: 'round',
        columns: ['printed in ms', 'lines/s', 'host CPU s', 'host RSS before → peak MB'],
        rows: rounds.map(({ printedMs, perSecond, cost }, index) => [
          String(index + 1),
          Math.round(printedMs),
          Math.round(perSecond),
          cost === null ? '-' : round(cost.cpuSeconds),
          cost === null ? '-' : `${Math.round(cost.rssBeforeMb)} → ${Math.round(cost.rssPeakMb)}`,
        ]),
      },
      {
        title: 'lag, ms',
        columns: SPREAD_COLUMNS,
        rows: rounds.map(({ lags }, index) => spreadRow(`round ${index + 1}`, spread(lags))),
      },
    ],
    figures: [
      {
        name: 'lines into Postgres, slowest round',
        value: speed.min,
        unit: 'lines/s',
        better: 'higher',
        peerBest: PEER.linesPerSecond,
      },
      { name: 'lag to a client, p50', value: lag.p50, unit: 'ms', better: 'lower', peerBest: PEER.logLagP50Ms },
    ],
    faults: rounds.flatMap(({ faults }) => faults),
  };
}

async function once(stage: Stage, client: LiveClient, repository: StageRepository, name: string): Promise<Round> {
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
    perSecond: (LINES * 1_000) / (run!.last - first),
    lags: seen.map(({ seenMs }, index) => seenMs - printed[index]!),
    cost,
    faults: [...outOfOrder(`round ${name}, Postgres`, stored), ...outOfOrder(`round ${name}, the client`, seen)],
  };
}

/** Every line once and in order, or what is wrong. */
function outOfOrder(where: string, lines: readonly { readonly text: string }[]): string[] {
  if (lines.length !== LINES) return [`${where}: ${lines.length} of ${LINES} lines`];
  const wrong = lines.findIndex(({ text }, index) => Number(text.split(' ')[1]) !== index + 1);
  return wrong < 0 ? [] : [`${where}: line ${wrong + 1} is not in its place`];
}
