import { shortId, symptomOf, type Id, type PullRequestState, type TaskState } from '@capstan/domain';
import type { AttentionJson } from '@capstan/database';

/** What is said on a ticket, in this order; of the last two one. */
export const REPORTS = ['picked_up', 'pull_request', 'done', 'failed'] as const;
export type Report = (typeof REPORTS)[number];

export interface ReportSnapshot {
  readonly ticketId: Id;
  /** What was asked to be said already; `closed` for the close. */
  readonly reported: readonly string[];
  readonly task: { readonly id: Id; readonly state: TaskState; readonly attention: AttentionJson | null };
  readonly pullRequest: { readonly url: string | null; readonly state: PullRequestState } | null;
  /** A comment that was asked for is not there yet. */
  readonly commentPending: boolean;
}

/** One step at most, so that comments keep their order. */
export type ReportStep =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'comment'; readonly what: Report; readonly text: string }
  | { readonly kind: 'close' };

export function decideReport(snapshot: ReportSnapshot): ReportStep {
  const { reported, task, pullRequest, commentPending } = snapshot;
  if (commentPending) return { kind: 'nothing' };
  const said = (what: Report) => reported.includes(what);
  const ended = said('done') || said('failed');
  if (!said('picked_up')) return comment('picked_up', `Capstan picked this up as task \`${shortId(task.id)}\`.`);
  // After the end a pull request is no news any more.
  if (!said('pull_request') && !ended && pullRequest?.url != null)
    return comment('pull_request', `The work is in a pull request: ${pullRequest.url}`);
  if (!ended) {
    const words = endOf(snapshot);
    if (words !== null) return words;
  }
  return task.state === 'completed' && !reported.includes('closed') ? { kind: 'close' } : { kind: 'nothing' };
}

function endOf({ task, pullRequest }: ReportSnapshot): ReportStep | null {
  switch (task.state) {
    case 'completed':
      return comment('done', pullRequest?.url == null ? 'Done.' : `Done: ${pullRequest.url} is merged.`);
    case 'cancelled':
      return comment('failed', 'The task was cancelled. Nothing more happens by itself.');
    case 'failed':
      return comment('failed', `The task failed: ${reasonOf(task.attention)}`);
    case 'needs_attention':
      return comment('failed', `The task needs a person: ${reasonOf(task.attention)}`);
    case 'waiting':
    case 'queued':
    case 'provisioning':
    case 'running':
    case 'pr_opened':
      return null;
  }
}

/** The registry's words, and the first line of the detail as code: it may hold what strangers wrote. */
function reasonOf(attention: AttentionJson | null): string {
  if (attention === null) return 'see the dashboard for why.';
  const { title, remedy } = symptomOf(attention.code);
  const line = (attention.detail.split('\n')[0] ?? '').replaceAll('`', "'").slice(0, 300).trim();
  return [`${title}.`, ...(line === '' ? [] : [`\`${line}\``]), remedy].join('\n\n');
}

function comment(what: Report, text: string): ReportStep {
  return { kind: 'comment', what, text };
}
