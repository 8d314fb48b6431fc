import type { Figure, Table } from './report.js';
import type { Stage, StageRepository } from './stage.js';

const HOUR_MS = 3_600_000;
/** However it goes: longer than this nobody waits for the hours to pass. */
const WITHIN_MS = 240_000;

/** What the forge was asked while nothing happened to some pull requests. */
export interface QuietHours {
  readonly pullRequests: number;
  readonly calls: number;
  readonly unchanged: number;
  readonly looks: number;
  /** Together: each one's own time, as its row has it. */
  readonly livedMs: number;
}

/**
 * Lets hours pass for pull requests that are quiet already. Nobody waits for them: again and again each row is made
 * older by what is left until the look that it plans, so that this look is due now. How long that is, and how much is
 * asked then, is Capstan's own doing; the time that it takes meanwhile counts as well.
 */
export async function quietHours(stage: Stage, repository: StageRepository, hours: number): Promise<QuietHours> {
  const begin = performance.now();
  const from = stage.forge.journal.length;
  const skipped = new Map<string, number>();
  let looks = 0;
  const realMs = () => performance.now() - begin;
  const isOver = () => [...skipped.values()].every((ms) => ms + realMs() >= hours * HOUR_MS);
  do {
    for (const { id, ms } of await bringLooksForward(stage, repository)) skipped.set(id, (skipped.get(id) ?? 0) + ms);
    looks += skipped.size;
  } while (!isOver() && realMs() < WITHIN_MS);
  const seen = stage.forge.journal
    .slice(from)
    .flatMap((entry) =>
      entry.kind === 'request' && entry.path.startsWith(`/repos/${repository.fullName}/`) ? [entry.status] : [],
    );
  return {
    pullRequests: skipped.size,
    calls: seen.length,
    unchanged: seen.filter((status) => status === 304).length,
    looks,
    livedMs: [...skipped.values()].reduce((sum, ms) => sum + ms + realMs(), 0),
  };
}

/** One look at each, at the time that its row plans. Answers by how much that was brought forward, ms. */
async function bringLooksForward(
  stage: Stage,
  { id: repositoryId }: StageRepository,
): Promise<{ readonly id: string; readonly ms: number }[]> {
  const columns = [
    'next_check_at',
    'glance_at',
    'looked_at',
    'last_checked_at',
    'told_at',
    'untold_at',
    'head_seen_at',
  ];
  const older = columns.map((column) => `${column} = ${column} - due.left`).join(', ');
  const moved = await stage.query<{ id: string; ms: number; version: number }>(
    `update pull_request set ${older}
       from (select id as due_id, greatest(next_check_at - clock_timestamp(), interval '0') as left
               from pull_request where repository_id = $1 and claimed_until is null for update) as due
      where id = due_id returning id, version, extract(epoch from due.left)::float8 * 1000 as ms`,
    [repositoryId],
  );
  const longestMs = Math.max(...moved.map(({ ms }) => ms));
  await stage.query(`update delivery set received_at = received_at - $2 * interval '1 ms' where repository_id = $1`, [
    repositoryId,
    longestMs,
  ]);
  await stage.until('the looks that were brought forward', async () => {
    const rows = await stage.query<{ id: string; version: number }>(
      `select id, version from pull_request where repository_id = $1 and claimed_until is null and next_check_at > clock_timestamp()`,
      [repositoryId],
    );
    const versions = new Map(rows.map(({ id, version }) => [id, version]));
    return moved.every(({ id, version }) => (versions.get(id) ?? 0) > version);
  });
  return moved;
}

export function quietTable({ calls, unchanged, pullRequests, looks, livedMs }: QuietHours): Table {
  const perHour = (count: number) => Math.round((count * HOUR_MS * 10) / livedMs) / 10;
  return {
    title: 'quiet pull requests',
    columns: ['seen', 'per one and hour'],
    rows: [
      ['looks', looks, perHour(looks)],
      [`calls, of ${pullRequests}`, calls, perHour(calls)],
      ['answered 304', unchanged, perHour(unchanged)],
      ['answered in full', calls - unchanged, perHour(calls - unchanged)],
    ],
  };
}

export function quietFigure({ calls, unchanged, pullRequests, livedMs }: QuietHours): Figure {
  const hours = (livedMs / pullRequests / HOUR_MS).toFixed(1);
  const made = `${calls} calls, ${unchanged} of them 304, of ${pullRequests} over ${hours} h each, their looks brought forward`;
  return { key: 'reaction.calls', value: (calls * HOUR_MS) / livedMs, made };
}
