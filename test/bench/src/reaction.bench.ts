import type { BenchOptions } from './bench-options.js';
import { wallMs } from './clock.js';
import { quietFigure, quietHours, quietTable, type QuietHours } from './quiet-hours.js';
import { SPREAD_COLUMNS, spreadRow, type BenchReport } from './report.js';
import type { Stage, StageRepository } from './stage.js';
import { spread } from './statistics.js';

const SIZES = {
  full: { warmUp: 2, each: 15, quiet: 5, hours: 4 },
  quick: { warmUp: 1, each: 4, quiet: 0, hours: 0 },
} as const;
type Conclusion = 'success' | 'failure';

/** A webhook that says how CI ended → what Capstan decides to do next; and what following costs while nothing happens. */
export async function benchReaction(stage: Stage, { form }: BenchOptions): Promise<BenchReport> {
  const { warmUp, each, quiet: quietOnes, hours } = SIZES[form];
  const settings = { script: 'commit.sh', webhook: true, requiredChecks: ['test'], autoMerge: true };
  const green = await stage.repository('reaction-green', settings);
  const red = await stage.repository('reaction-red', settings);
  for (let index = 0; index < warmUp; index += 1) {
    await once(stage, green, 'success');
    await once(stage, red, 'failure');
  }
  const [merges, resumes, reads]: number[][] = [[], [], []];
  for (let index = 0; index < each; index += 1) {
    merges!.push(await once(stage, green, 'success', reads));
    resumes!.push(await once(stage, red, 'failure'));
  }
  const quiet = quietOnes > 0 ? await watchQuiet(stage, quietOnes, hours) : null;
  return report({ warmUp, merges: merges!, resumes: resumes!, reads: reads!, quiet });
}

interface Measured {
  readonly warmUp: number;
  readonly merges: readonly number[];
  readonly resumes: readonly number[];
  readonly reads: readonly number[];
  readonly quiet: QuietHours | null;
}

function report({ warmUp, merges, resumes, reads, quiet }: Measured): BenchReport {
  const all = spread([...merges, ...resumes]);
  const made = `n = ${all.n}, half of them red`;
  return {
    bench: 'reaction: a check ends at the forge → the next step is decided',
    how: [
      `${merges.length} green ones (→ the merge is asked for) and ${resumes.length} red ones (→ the task is queued for its agent), one at a time, ${warmUp} of each before`,
      'counted from before the forge is told of the check: its own answer, its delivery and six reads by Capstan are within it',
      'a check that is pending is also looked at every 1 to 10 s; such a look may come first and shorten one in some dozens',
      ...(quiet === null
        ? []
        : [
            `quiet: ${quiet.pullRequests} green pull requests without the approval that they need, with a webhook, at the default pace, once nothing had happened for a minute`,
            'nobody waited for the hours: each row was made older by what was left until the look that it had planned; calls are counted at the forge',
            'calls answered 304 count, though GitHub counts them towards no limit',
          ]),
      'beside it: six reads of a pull request by a plain client, one after the other',
    ],
    tables: [
      {
        title: 'ms',
        columns: SPREAD_COLUMNS,
        rows: [
          spreadRow('green → merge asked for', spread(merges)),
          spreadRow('red → queued again', spread(resumes)),
          spreadRow('six reads by a plain client', spread(reads)),
        ],
      },
      ...(quiet === null ? [] : [quietTable(quiet)]),
    ],
    figures: [
      { key: 'reaction.p50', value: all.p50, made },
      { key: 'reaction.p95', value: all.p95, made },
      ...(quiet === null ? [] : [quietFigure(quiet)]),
    ],
    ratios: [{ key: 'reaction', ours: all.p50, yardstick: spread(reads).p50 }],
    faults: [],
  };
}

interface Opened {
  readonly taskId: string;
  readonly number: number;
  readonly head: string;
}

/** One task to its open pull request, with a check that is told to have begun. */
async function opened(
  stage: Stage,
  repository: StageRepository,
  title: string,
): Promise<Opened & { checkRun: string }> {
  const taskId = await stage.post(repository, title);
  let found: { number: number; head: string } | undefined;
  await stage.until('a pull request to open', async () => {
    [found] = await stage.query<{ number: number; head: string }>(
      `select number, head_sha as head from pull_request where task_id = $1 and state = 'open' and head_sha is not null`,
      [taskId],
    );
    return found !== undefined;
  });
  const { id } = await stage.atForge<{ id: number }>('POST', `/repos/${repository.fullName}/check-runs`, {
    name: 'test',
    head_sha: found!.head,
    status: 'in_progress',
  });
  return { taskId, ...found!, checkRun: `/repos/${repository.fullName}/check-runs/${id}` };
}

/** From telling the forge how the check ended until Capstan has decided what follows, ms. */
async function once(
  stage: Stage,
  repository: StageRepository,
  conclusion: Conclusion,
  reads?: number[],
): Promise<number> {
  const { taskId, number, head, checkRun } = await opened(stage, repository, `Reaction, ${conclusion}`);
  await stage.until('the pending check to be seen', async () => {
    const [row] = await stage.query<{ seen: boolean }>(
      `select checks = 'pending' as seen from pull_request where task_id = $1`,
      [taskId],
    );
    return row!.seen;
  });
  await stage.forge.settled();
  if (reads !== undefined) reads.push(await readPlainly(stage, repository, number, head));
  const told = wallMs();
  await stage.atForge('PATCH', checkRun, { status: 'completed', conclusion });
  let decided: number | null = null;
  await stage.until(`a decision after ${conclusion}`, async () => {
    decided = await decidedAt(stage, taskId, conclusion);
    return decided !== null;
  });
  await leaveAlone(stage, taskId, conclusion);
  return decided! - told;
}

async function decidedAt(stage: Stage, taskId: string, conclusion: Conclusion): Promise<number | null> {
  const [row] = await stage.query<{ at: number | null }>(
    conclusion === 'success'
      ? `select min(extract(epoch from created_at))::float8 * 1000 as at from effect where task_id = $1 and kind = 'merge_pull_request'`
      : `select min(extract(epoch from at))::float8 * 1000 as at from task_event where task_id = $1 and from_state = 'pr_opened' and to_state = 'queued'`,
    [taskId],
  );
  return row!.at;
}

/** Nothing of this sample goes on when the next one begins. */
async function leaveAlone(stage: Stage, taskId: string, conclusion: Conclusion): Promise<void> {
  if (conclusion === 'failure') await stage.capstan.call('POST', `/api/tasks/${taskId}/cancel`);
  await stage.until('the task to end', async () => {
    const [row] = await stage.query<{ ended: boolean }>(
      `select state in ('completed','cancelled') as ended from task where id = $1`,
      [taskId],
    );
    return row!.ended;
  });
}

async function readPlainly(stage: Stage, { fullName }: StageRepository, number: number, head: string): Promise<number> {
  const paths = [
    `pulls/${number}`,
    `commits/${head}/check-runs`,
    `commits/${head}/status`,
    `pulls/${number}/reviews`,
    'rules/branches/main',
    'branches/main',
  ];
  const begun = performance.now();
  for (const path of paths) await stage.atForge('GET', `/repos/${fullName}/${path}`);
  return performance.now() - begun;
}

/** Counts what Capstan asks of the forge while nothing happens to these pull requests. */
async function watchQuiet(stage: Stage, count: number, hours: number): Promise<QuietHours> {
  const repository = await stage.repository('quiet', {
    script: 'commit.sh',
    webhook: true,
    autoMerge: true,
    requiredApprovals: 1,
    maxConcurrentTasks: count,
    maxAgentsPerPod: count,
  });
  for (let index = 0; index < count; index += 1) {
    const { checkRun } = await opened(stage, repository, `Quiet ${index}`);
    await stage.atForge('PATCH', checkRun, { status: 'completed', conclusion: 'success' });
  }
  // The pace says itself when it takes them for quiet: some looks after the last thing that happened.
  await stage.until('the pull requests to be quiet', async () => {
    const [row] = await stage.query<{ quiet: number }>(
      `select count(*)::int as quiet from pull_request
        where repository_id = $1 and checks = 'green' and glance_at is not null and claimed_until is null`,
      [repository.id],
    );
    return row!.quiet === count;
  });
  return quietHours(stage, repository, hours);
}
