import type { Board } from '@capstan/api';
import type { BenchOptions } from './bench-options.js';
import { findChromium } from './chromium.config.js';
import { dispatch, nullRepository } from './dispatch.bench.js';
import { FirstCards } from './first-cards.js';
import { fillSystem, type Filled } from './fill.js';
import { costOver, type PartOverTime } from './idle.bench.js';
import { SPREAD_COLUMNS, round, spreadRow, type BenchReport } from './report.js';
import type { Stage } from './stage.js';
import { spread, type Spread } from './statistics.js';

const SIZES = {
  full: { repositories: 50, running: 200, queued: 2_000, board: 5_000, dispatches: 30, reads: 20, windowMs: 30_000 },
  quick: { repositories: 5, running: 10, queued: 200, board: 1_000, dispatches: 5, reads: 5, windowMs: 5_000 },
} as const;
const WARM_UP = 10;
/** What the dashboard asks for first. */
const BOARD = '/api/board?limit=50';

interface World {
  readonly leased: Spread;
  readonly board: Spread;
  readonly list: Spread;
  readonly cost: readonly PartOverTime[];
  /** Null without a Chromium. */
  readonly page: Spread | null;
}

/** What grows when the system is full: memory, processor, the way to a lease, the board. */
export async function benchScale(stage: Stage, { form }: BenchOptions): Promise<BenchReport> {
  const size = SIZES[form];
  const faults: string[] = [];
  const nulls = await nullRepository(stage);
  await dispatch(stage, nulls, { perSecond: 5, count: WARM_UP }, faults);
  const look = async (): Promise<World> => {
    const cost = await costOver(stage, size.windowMs);
    const { leased } = await dispatch(stage, nulls, { perSecond: 1, count: size.dispatches }, faults);
    const board = await timed(size.reads, () => stage.capstan.call<Board>('GET', BOARD));
    const list = await timed(size.reads, () => stage.capstan.call('GET', '/api/tasks?limit=50'));
    return { leased, board, list, cost, page: await firstCards(stage, size.reads) };
  };
  const empty = await look();
  const filled = await fillSystem(stage, size);
  const full = await look();
  faults.push(...(await boardFaults(stage, filled)));
  return report({ form, empty, full, filled, faults });
}

async function timed(count: number, ask: () => Promise<unknown>): Promise<Spread> {
  const taken: number[] = [];
  await ask();
  for (let index = 0; index < count; index += 1) {
    const begun = performance.now();
    await ask();
    taken.push(performance.now() - begun);
  }
  return spread(taken);
}

async function firstCards(stage: Stage, count: number): Promise<Spread | null> {
  const chromium = findChromium();
  if (chromium === undefined) return null;
  const browser = await FirstCards.open(chromium, stage);
  try {
    await browser.show();
    const taken: number[] = [];
    for (let index = 0; index < count; index += 1) taken.push(await browser.show());
    return spread(taken);
  } finally {
    await browser.close();
  }
}

/** The board has to count what is there. */
async function boardFaults(stage: Stage, { tasks }: Filled): Promise<string[]> {
  const { columns } = await stage.capstan.call<Board>('GET', BOARD);
  const shown = columns.reduce((sum, { total }) => sum + total, 0);
  return shown >= tasks ? [] : [`the board counts ${shown} tasks of at least ${tasks}`];
}

interface Measured {
  readonly form: BenchOptions['form'];
  readonly empty: World;
  readonly full: World;
  readonly filled: Filled;
  readonly faults: readonly string[];
}

function report({ form, empty, full, filled, faults }: Measured): BenchReport {
  const { repositories, running, queued, dispatches, reads, windowMs } = SIZES[form];
  const [memory, processor] = [
    total(full.cost, ({ pssMb }) => pssMb),
    total(full.cost, ({ cpuPercent }) => cpuPercent),
  ];
  const made = `${queued} queued, ${running} running, ${repositories} repositories`;
  return {
    bench: `scale: ${queued} queued and ${running} running tasks over ${repositories} repositories on one host`,
    how: [
      `empty first, then full, the same measurements in both: ${windowMs / 1_000} s of processor and memory, ${dispatches} null tasks at 1/s, ${reads} reads`,
      `running: agents that sleep, each under its supervisor; queued: asked for over REST, behind them; filled within ${round(filled.seconds)} s`,
      `the board has ${filled.tasks} tasks: the rest is written into Postgres as such tasks end: done, failed, in review with a pull request`,
      full.page === null
        ? 'there is no Chromium here: the page was not looked at'
        : 'page: from navigation (a new tab, cached files) until the first task card is there, signed in',
      'agents and their supervisors are not in the memory and processor of the stack; a row says them',
    ],
    tables: [
      {
        title: 'ms',
        columns: SPREAD_COLUMNS,
        rows: [
          spreadRow('POST → lease, empty', empty.leased),
          spreadRow('POST → lease, full', full.leased),
          spreadRow('GET board, empty', empty.board),
          spreadRow('GET board, full', full.board),
          spreadRow('GET tasks, full', full.list),
          ...(empty.page === null ? [] : [spreadRow('page to first card, empty', empty.page)]),
          ...(full.page === null ? [] : [spreadRow('page to first card, full', full.page)]),
        ],
      },
      costTable(empty.cost, full.cost, filled),
    ],
    figures: [
      { key: 'scale.dispatch', value: full.leased.p50 / empty.leased.p50, made: `n = ${full.leased.n} each, ${made}` },
      { key: 'scale.board.p95', value: full.board.p95, made: `n = ${reads}, ${filled.tasks} tasks` },
      ...(full.page === null
        ? []
        : [
            {
              key: 'scale.page' as const,
              value: full.page.p50,
              made: `p50, n = ${full.page.n}, ${filled.tasks} tasks`,
            },
          ]),
      { key: 'scale.memory', value: memory, made },
      { key: 'scale.processor', value: processor, made },
    ],
    ratios: [
      { key: 'scale.dispatch', ours: full.leased.p50, yardstick: empty.leased.p50 },
      { key: 'scale.board', ours: full.board.p50, yardstick: empty.board.p50 },
    ],
    faults,
  };
}

function total(parts: readonly PartOverTime[], of: (part: PartOverTime) => number): number {
  return parts.reduce((sum, part) => sum + of(part), 0);
}

function costTable(
  empty: readonly PartOverTime[],
  full: readonly PartOverTime[],
  { agentProcesses, agentsPssMb }: Filled,
): BenchReport['tables'][number] {
  const row = (name: string, before: PartOverTime | undefined, after: PartOverTime) => [
    `${name} (${after.processes})`,
    Math.round(before?.pssMb ?? 0),
    Math.round(after.pssMb),
    (before?.cpuPercent ?? 0).toFixed(1),
    after.cpuPercent.toFixed(1),
  ];
  return {
    title: 'part (processes when full)',
    columns: ['PSS MB, empty', 'PSS MB, full', '% of a core, empty', '% of a core, full'],
    rows: [
      ...full.map((part) =>
        row(
          part.name,
          empty.find(({ name }) => name === part.name),
          part,
        ),
      ),
      [`agents and supervisors (${agentProcesses})`, 0, Math.round(agentsPssMb), '-', '-'],
    ],
  };
}
