import type { Id, PullRequestState } from '@capstan/domain';
import type { AttentionJson, Database, Task } from '@capstan/database';
import type { ReportSnapshot } from './report.decide.js';

/** Tickets on which something may have to be said. */
export async function dueReports(database: Database, limit: number): Promise<readonly { readonly id: Id }[]> {
  return database.query<{ id: Id }>(
    `select ticket.id from ticket join task on task.ticket_id = ticket.id
      where ticket.parked_at is null and (ticket.not_before is null or ticket.not_before <= clock_timestamp())
        and (not 'picked_up' = any(reported)
          or not (reported && array['done','failed','pull_request'])
             and exists (select 1 from pull_request pr where pr.task_id = task.id and pr.url is not null)
          or not (reported && array['done','failed']) and task.state in ('completed','failed','cancelled','needs_attention')
          or task.state = 'completed' and not 'closed' = any(reported))
      group by ticket.id order by max(task.updated_at) limit $1`,
    [limit],
  );
}

/** Reads one ticket with the newest task that was made of it; null when there is none. */
export async function readReport(database: Database, ticketId: Id): Promise<ReportSnapshot | null> {
  const [row] = await database.query<{
    reported: string[];
    id: Id;
    state: Task['state'];
    attention: AttentionJson | null;
    url: string | null;
    pullRequestState: PullRequestState | null;
    commentPending: boolean;
  }>(
    `select ticket.reported, task.id, task.state, task.attention, pr.url, pr.state as pull_request_state,
            exists (select 1 from effect where effect.kind = 'comment_ticket' and effect.task_id = task.id
                       and effect.state in ('requested','claimed') and effect.parked_at is null) as comment_pending
       from ticket join task on task.ticket_id = ticket.id
       left join pull_request pr on pr.task_id = task.id and pr.generation = task.generation
      where ticket.id = $1 order by task.created_at desc, task.id desc limit 1`,
    [ticketId],
  );
  if (row === undefined) return null;
  return {
    ticketId,
    reported: row.reported,
    task: { id: row.id, state: row.state, attention: row.attention },
    pullRequest: row.pullRequestState === null ? null : { url: row.url, state: row.pullRequestState },
    commentPending: row.commentPending,
  };
}
