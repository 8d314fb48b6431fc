import { sleep, wallMs } from './clock.js';
import { LiveClient } from './live-client.js';
import { PEER } from './peer.js';
import { SPREAD_COLUMNS, spreadRow, type BenchReport } from './report.js';
import type { Stage, StageRepository } from './stage.js';
import { spread } from './statistics.js';

const WARM_UP = 3;
const COUNT = 30;

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

/** POST → the agent's first instruction on a warm pod, one task at a time. */
export async function benchStart(stage: Stage): Promise<BenchReport> {
  const repository = await stage.repository('start', { script: 'first-instruction.sh' });
  const client = await LiveClient.connect(stage.capstan);
  const measured: Steps[] = [];
  try {
    for (let index = 0; index < WARM_UP + COUNT; index += 1) {
      const steps = await once(stage, client, repository, index);
      if (index >= WARM_UP) measured.push(steps);
      await sleep(100); // what the task before left to do is done
    }
  } finally {
    client.close();
  }
  const of = (step: keyof Steps) => spread(measured.map((each) => each[step] - each.sent));
  const first = of('began');
  return {
    bench: 'start: POST /api/tasks → the agent’s first instruction, warm pod',
    how: [
      `n = ${COUNT} one after the other, ${WARM_UP} before to warm up; a new worktree for each, of a repository with one commit`,
      'the agent is a bash script whose first instruction reads the clock; the forge and the client share the machine',
    ],
    tables: [
      {
        title: 'ms from POST',
        columns: SPREAD_COLUMNS,
        rows: Object.entries(NAMES).map(([step, name]) => spreadRow(name, of(step as keyof typeof NAMES))),
      },
      {
        title: 'within it, ms',
        columns: SPREAD_COLUMNS,
        rows: [
          spreadRow('git fetch', spread(measured.map(({ fetchMs }) => fetchMs))),
          spreadRow('making the worktree', spread(measured.map(({ worktreeMs }) => worktreeMs))),
        ],
      },
    ],
    figures: [
      figure("agent's first instruction, p50", first.p50, PEER.firstInstructionP50Ms),
      figure("agent's first instruction, p95", first.p95, PEER.firstInstructionP95Ms),
    ],
    faults: [],
  };
}

function figure(name: string, value: number, peerBest: number): BenchReport['figures'][number] {
  return { name, value, unit: 'ms', better: 'lower', peerBest };
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
