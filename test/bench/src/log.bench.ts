import pg from 'pg';
import type { BenchOptions } from './bench-options.js';
import { LiveClient } from './live-client.js';
import { crowd, type Crowd } from './log-crowd.js';
import { FLOOD_LINES, flood, type Flood } from './log-flood.js';
import { live, TICK_SECONDS, type Live } from './log-live.js';
import { SPREAD_COLUMNS, round, spreadRow, type BenchReport } from './report.js';
import type { Stage } from './stage.js';
import { spread } from './statistics.js';
import { copyLinesPerSecond } from './yardsticks.js';

const SIZES = {
  full: { rounds: 3, crowdLines: 10_000, liveAgents: 50, windowMs: 20_000 },
  quick: { rounds: 1, crowdLines: 2_000, liveAgents: 10, windowMs: 5_000 },
} as const;
const CROWD = 20;

interface Measured {
  readonly floods: readonly Flood[];
  readonly many: Crowd;
  readonly alive: Live;
  /** Raw COPY, lines/s. */
  readonly copied: number;
}

/** Lines of one agent and of twenty into Postgres, and of fifty slow ones to Socket.IO clients. */
export async function benchLog(stage: Stage, { form, directory }: BenchOptions): Promise<BenchReport> {
  const { rounds, crowdLines, liveAgents, windowMs } = SIZES[form];
  const repository = await stage.repository('log', { script: 'chatter.sh', arguments: [String(FLOOD_LINES)] });
  const client = await LiveClient.connect(stage.capstan);
  const floods: Flood[] = [];
  try {
    await flood(stage, client, repository, 'to warm up');
    for (let index = 1; index <= rounds; index += 1) floods.push(await flood(stage, client, repository, `${index}`));
  } finally {
    client.close();
  }
  const copied = await copySpeed(stage);
  const many = await crowd(stage, { agents: CROWD, linesEach: crowdLines, directory });
  const alive = await live(stage, { agents: liveAgents, windowMs, directory });
  return report(form, { floods, many, alive, copied });
}

async function copySpeed(stage: Stage): Promise<number> {
  const pool = new pg.Pool({ connectionString: stage.databaseUrl, max: 1 });
  pool.on('error', () => undefined); // told by the query that was under way
  try {
    return await copyLinesPerSecond(pool);
  } finally {
    await pool.end();
  }
}

function report(form: BenchOptions['form'], { floods, many, alive, copied }: Measured): BenchReport {
  const { rounds, liveAgents, windowMs } = SIZES[form];
  const slowest = spread(floods.map(({ perSecond }) => perSecond)).min;
  const lag = spread(floods.flatMap(({ lags }) => lags));
  const lines = many.lines.toLocaleString('en');
  return {
    bench: 'log: lines of agents → Postgres and Socket.IO clients',
    how: [
      `one agent: ${rounds} rounds of ${FLOOD_LINES.toLocaleString('en')} lines, one before to warm up; a bash loop prints each line with its time`,
      'lines/s: from the first line printed until the last one is committed; lag: from printing to the client',
      `${many.agents} agents: ${lines} lines by \`seq\`, all from the same moment until the last one is committed`,
      `live: ${liveAgents} agents with a line every ${TICK_SECONDS * 1_000} ms each, every one followed; lines printed within ${windowMs / 1_000} s`,
      'beside it: raw COPY of 20,000 such lines into a table like run_log, 500 a commit, median of three rounds',
    ],
    tables: tablesOf({ floods, many, alive, copied }, liveAgents),
    figures: [
      { key: 'log.one', value: slowest, made: `${rounds} rounds` },
      { key: 'log.many', value: many.perSecond, made: `${lines} lines` },
      { key: 'log.flood.p50', value: lag.p50, made: `n = ${lag.n}` },
      ...(liveAgents === SIZES.full.liveAgents
        ? [
            {
              key: 'log.live.p95' as const,
              value: spread(alive.lags).p95,
              made: `n = ${alive.lags.length}, ${windowMs / 1_000} s`,
            },
          ]
        : []),
    ],
    ratios: [
      { key: 'log.one', ours: slowest, yardstick: copied },
      { key: 'log.many', ours: many.perSecond, yardstick: copied },
    ],
    faults: [...floods.flatMap(({ faults }) => faults), ...many.faults, ...alive.faults],
  };
}

function tablesOf({ floods, many, alive, copied }: Measured, liveAgents: number): BenchReport['tables'] {
  return [
    {
      title: 'one agent, round',
      columns: ['printed in ms', 'lines/s', 'host CPU s', 'host RSS before → peak MB'],
      rows: floods.map(({ printedMs, perSecond, cost }, index) => [
        String(index + 1),
        Math.round(printedMs),
        Math.round(perSecond),
        cost === null ? '-' : round(cost.cpuSeconds),
        cost === null ? '-' : `${Math.round(cost.rssBeforeMb)} → ${Math.round(cost.rssPeakMb)}`,
      ]),
    },
    {
      title: 'lines/s',
      columns: ['lines', 'lines/s'],
      rows: [
        [`${many.agents} agents`, many.lines, Math.round(many.perSecond)],
        ['raw COPY', FLOOD_LINES, Math.round(copied)],
      ],
    },
    {
      title: 'lag, ms',
      columns: SPREAD_COLUMNS,
      rows: [
        ...floods.map(({ lags }, index) => spreadRow(`one agent, round ${index + 1}`, spread(lags))),
        spreadRow(`live, ${liveAgents} agents`, spread(alive.lags)),
      ],
    },
  ];
}
