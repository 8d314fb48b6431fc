import type { z } from 'zod';
import type { PullRequest } from '@capstan/api';
import { UserError, symptomOf, type Id, type PullRequestState } from '@capstan/domain';
import type { AttentionJson, PullRequest as PullRequestRow, Tx } from '@capstan/database';
import { fromUs, pageOfRows, readCursor, usOf } from '../http/cursor.js';
import { instant } from '../http/time.js';

type Answer = z.infer<typeof PullRequest>;
type Row = PullRequestRow & {
  readonly mergeMethod: Answer['mergeMethod'];
  readonly checkList: Answer['checkList'] | null;
  readonly reviewList: (Omit<Answer['reviewList'][number], 'submittedAt'> & { readonly submittedAt: string })[] | null;
  readonly atUs: string;
};

const SELECT = `
  select pr.*, r.merge_method, ${usOf('pr.created_at')} as at_us,
    (select jsonb_agg(jsonb_build_object('name', c.name, 'source', c.source, 'state', c.state, 'required', c.required,
       'url', c.url, 'summary', c.summary) order by c.required desc, c.name, c.source)
       from "check" c where c.pull_request_id = pr.id) as check_list,
    (select jsonb_agg(jsonb_build_object('author', v.author, 'state', v.state, 'body', v.body, 'submittedAt', v.submitted_at)
       order by v.submitted_at, v.author) from review v where v.pull_request_id = pr.id) as review_list
    from pull_request pr join repository r on r.id = pr.repository_id`;

export async function readPullRequest(tx: Tx, workspaceId: Id, id: Id): Promise<Answer> {
  const [row] = await tx.query<Row>(`${SELECT} where pr.workspace_id = $1 and pr.id = $2`, [workspaceId, id]);
  if (row === undefined)
    throw new UserError(`No pull request ${id} in this workspace`, {
      code: 'pull_request_not_found',
      status: 404,
      field: 'pullRequestId',
    });
  return answerOf(row);
}

/** Pull requests, newest first. */
export async function listPullRequests(
  tx: Tx,
  workspaceId: Id,
  query: {
    readonly taskId?: Id | undefined;
    readonly state?: PullRequestState | undefined;
    readonly cursor?: string | undefined;
    readonly limit: number;
  },
): Promise<{ items: Answer[]; next: string | null }> {
  const cursor = readCursor('pull-requests', query.cursor);
  const found = await tx.query<Row>(
    `${SELECT} where pr.workspace_id = $1 and ($2::uuid is null or pr.task_id = $2) and ($3::text is null or pr.state = $3)
        and ($4::text is null or (pr.created_at, pr.id) < (${fromUs('$4')}, $5::uuid))
      order by pr.created_at desc, pr.id desc limit $6`,
    [workspaceId, query.taskId ?? null, query.state ?? null, cursor?.atUs ?? null, cursor?.id ?? null, query.limit + 1],
  );
  const { rows, next } = pageOfRows('pull-requests', found, query.limit);
  return { items: rows.map(answerOf), next };
}

function answerOf(row: Row): Answer {
  return {
    id: row.id,
    taskId: row.taskId,
    repositoryId: row.repositoryId,
    number: row.number,
    url: row.url,
    title: row.title,
    branch: row.branch,
    baseBranch: row.baseBranch,
    state: row.state,
    headSha: row.headSha,
    checks: row.checks,
    reviews: row.reviews,
    mergeable: row.mergeable,
    mergeMethod: row.mergeMethod,
    refusal: refusalText(row.refusal),
    decision: row.decision,
    checkList: row.checkList ?? [],
    reviewList: (row.reviewList ?? []).map((each) => ({
      ...each,
      submittedAt: new Date(each.submittedAt).toISOString(),
    })),
    openedAt: instant(row.openedAt),
    mergedAt: instant(row.mergedAt),
    mergeCommit: row.mergeCommit,
    closedAt: instant(row.closedAt),
    closedBy: row.closedBy,
    lastCheckedAt: instant(row.lastCheckedAt),
    nextCheckAt: row.state === 'publishing' || row.state === 'open' ? instant(row.nextCheckAt) : null,
    version: row.version,
  };
}

function refusalText(refusal: AttentionJson | null): string | null {
  if (refusal === null) return null;
  const { title } = symptomOf(refusal.code);
  return refusal.detail === '' ? title : `${title}: ${refusal.detail}`;
}
