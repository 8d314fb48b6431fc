import { join } from 'node:path';
import type { BenchOptions } from './bench-options.js';
import { sleep, wallMs } from './clock.js';
import { LiveClient } from './live-client.js';
import { SPREAD_COLUMNS, spreadRow, type BenchReport, type Table } from './report.js';
import type { Stage, StageRepository } from './stage.js';
import { spread, type Spread } from './statistics.js';
import { bareStart } from './yardsticks.js';

const SIZES = {
  full: { warmUp: 3, small: 30, large: 20 },
  quick: { warmUp: 2, small: 10, large: 5 },
} as const;
const LARGE_FILES = 5_000;
/** The yardstick is taken after each so many tasks, so that both meet the same weather. */
const YARDSTICK_EACH = 3;

/** Unix ms of each step of one task, in the order in which they come. */
interface Steps {
  readonly sent: number;
  readonly answered: number;
  readonly placed: number;
  readonly leased: number;
  readonly began: number;
  readonly launched: number;
  readonly stored: number;
  readonly shown: number;
  /** Within the start: ms of the fetch, and of making the worktree. */
  readonly fetchMs: number;
  readonly worktreeMs: number;
}

const NAMES: Readonly<Record<Exclude<keyof Steps, 'sent' | 'fetchMs' | 'worktreeMs'>, string>> = {
  answered: 'POST answered',
  placed: 'placed on the pod',
  leased: 'leased by a runner',
  began: "agent's first instruction",
  launched: 'launch recorded',
  stored: 'its first line in Postgres',
  shown: 'its first line at a Socket.IO client',
};

interface Series {
  readonly count: number;
  readonly steps: readonly Steps[];
  /** The yardstick's p50, ms. */
  readonly bareMs: number;
}

/** POST → the agent's first instruction on a warm pod, one task at a time, in a small repository and in a large one. */
export async function benchStart(stage: Stage, { form, directory }: BenchOptions): Promise<BenchReport> {
  const { warmUp, small, large } = SIZES[form];
  const client = await LiveClient.connect(stage.capstan);
  const bareDirectory = join(directory, 'bare-start');
  try {
    const one = await stage.repository('start', { script: 'first-instruction.sh' });
    const inSmall = await series(stage, client, one, { warmUp, count: small, bareDirectory });
    const many = await stage.repository('start-large', { script: 'first-instruction.sh', files: largeTree() });
    const inLarge = await series(stage, client, many, { warmUp, count: large, bareDirectory });
    return report(inSmall, inLarge, warmUp);
  } finally {
    client.close();
  }
}

/** The same with an agent that bubblewrap keeps in: its boundary comes up while the branch is fetched. */
export async function benchBoundary(stage: Stage, { form, directory }: BenchOptions): Promise<BenchReport> {
  const { warmUp, small } = SIZES[form];
  const client = await LiveClient.connect(stage.capstan);
  try {
    const one = await stage.repository('boundary', { script: 'first-instruction.sh' });
    const bareDirectory = join(directory, 'bare-boundary');
    const inside = await series(stage, client, one, { warmUp, count: small, bareDirectory });
    const first = since(inside, 'began');
    const made = `n = ${inside.count} one after the other, warm pod, base fetched, CAPSTAN_ISOLATION=require`;
    return {
      bench: 'boundary: POST /api/tasks → the first instruction of an agent in bubblewrap, warm pod',
      how: [`n = ${inside.count} one after the other, ${warmUp} before to warm up; else as in start, small repository`],
      tables: [stepsTable('small repository, ms from POST', inside)],
      figures: [
        { key: 'boundary.small.p50', value: first.p50, made },
        { key: 'boundary.small.p95', value: first.p95, made },
      ],
      ratios: [{ key: 'boundary.small', ours: first.p50, yardstick: inside.bareMs }],
      faults: [],
    };
  } finally {
    client.close();
  }
}

function report(small: Series, large: Series, warmUp: number): BenchReport {
  const [first, firstLarge] = [since(small, 'began'), since(large, 'began')];
  const [made, madeLarge] = [small, large].map(
    ({ count }) => `n = ${count} one after the other, warm pod, base fetched`,
  );
  return {
    bench: 'start: POST /api/tasks → the agent’s first instruction, warm pod',
    how: [
      `n = ${small.count} and ${large.count} one after the other, ${warmUp} before to warm up; a new worktree for each`,
      `small: one commit of one file; large: one commit of ${LARGE_FILES} files in 50 directories; the pod has the base's commit already`,
      'the agent is a bash script whose first instruction reads the clock; the forge and the client share the machine',
      `beside it, after each ${YARDSTICK_EACH} tasks: \`node -e 0\`, \`git clone --shared\` of the same repository and its checkout, by hand`,
    ],
    tables: [
      stepsTable('small repository, ms from POST', small),
      stepsTable(`${LARGE_FILES} files, ms from POST`, large),
      {
        title: 'within it, ms',
        columns: SPREAD_COLUMNS,
        rows: [
          spreadRow('git fetch, small', spread(small.steps.map(({ fetchMs }) => fetchMs))),
          spreadRow('git fetch, large', spread(large.steps.map(({ fetchMs }) => fetchMs))),
          spreadRow('making the worktree, small', spread(small.steps.map(({ worktreeMs }) => worktreeMs))),
          spreadRow('making the worktree, large', spread(large.steps.map(({ worktreeMs }) => worktreeMs))),
        ],
      },
    ],
    figures: [
      { key: 'start.small.p50', value: first.p50, made: made! },
      { key: 'start.small.p95', value: first.p95, made: made! },
      { key: 'start.shown.p50', value: since(small, 'shown').p50, made: made! },
      { key: 'start.large.p50', value: firstLarge.p50, made: madeLarge! },
    ],
    ratios: [
      { key: 'start.small', ours: first.p50, yardstick: small.bareMs },
      { key: 'start.large', ours: firstLarge.p50, yardstick: large.bareMs },
    ],
    faults: [],
  };
}

function since({ steps }: Series, step: keyof Steps): Spread {
  return spread(steps.map((each) => each[step] - each.sent));
}

function stepsTable(title: string, series: Series): Table {
  return {
    title,
    columns: SPREAD_COLUMNS,
    rows: Object.entries(NAMES).map(([step, name]) => spreadRow(name, since(series, step as keyof typeof NAMES))),
  };
}

function largeTree(): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: LARGE_FILES }, (_, index) => [
      `part-${index % 50}/file-${index}.ts`,
      `export const value${index} = ${index};\n`.repeat(20),
    ]),
  );
}

async function series(
  stage: Stage,
  client: LiveClient,
  repository: StageRepository,
  { warmUp, count, bareDirectory }: { readonly warmUp: number; readonly count: number; readonly bareDirectory: string },
): Promise<Series> {
  const steps: Steps[] = [];
  const bare: number[] = [];
  for (let index = 0; index < warmUp + count; index += 1) {
    const taken = await once(stage, client, repository, index);
    await sleep(100); // what the task before left to do is done
    if (index < warmUp) continue;
    steps.push(taken);
    if (steps.length % YARDSTICK_EACH === 0)
      bare.push(await bareStart(stage.bareRepository(repository), bareDirectory));
  }
  return { count, steps, bareMs: spread(bare).p50 };
}

async function once(stage: Stage, client: LiveClient, repository: StageRepository, index: number): Promise<Steps> {
  const sent = wallMs();
  const taskId = await stage.post(repository, `Start ${index}`);
  const answered = wallMs();
  const runId = await client.runOf(taskId);
  await client.follow(runId);
  await stage.untilFinished([taskId]);
  const [row] = await stage.query<{ placed: number; leased: number; launched: number; stored: number }>(
    `select ${['placed_at', 'leased_at', 'launched_at', 'last_line_at']
      .map(
        (column) =>
          `extract(epoch from ${column})::float8 * 1000 as ${column.split('_at')[0]!.replace('last_line', 'stored')}`,
      )
      .join(', ')} from run where id = $1`,
    [runId],
  );
  const lines = await stage.query<{ text: string; data: { fetchMs: number; worktreeMs: number } | null }>(
    `select text, data from run_log where run_id = $1 order by sequence`,
    [runId],
  );
  const prepared = lines.find(({ text }) => text.startsWith('Worktree ready'))?.data;
  const began = lines.map(({ text }) => /^began ([\d.]+)$/.exec(text)?.[1]).find((time) => time !== undefined);
  const shown = client.seen(runId).find(({ text }) => text.startsWith('began '))?.seenMs;
  client.unfollow(runId);
  if (prepared == null || began === undefined || shown === undefined)
    throw new Error(`task ${taskId}: its log is not whole: ${lines.map(({ text }) => text).join(' | ')}`);
  return {
    sent,
    answered,
    ...row!,
    fetchMs: prepared.fetchMs,
    worktreeMs: prepared.worktreeMs,
    began: Number(began) * 1_000,
    shown,
  };
}
