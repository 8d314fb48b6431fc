/**
 * Every parked row as `(kind, id, workspace_id, subject, effect_kind, task_id, repository_id, attempts, last_error,
 * code, parked_at, holds)`: a table expression for the list, the metric and the health check, so that they always say
 * the same. What has ended meanwhile by another way (a task that was completed, a run that was fenced) is not parked
 * any more, and a pull request whose push is parked is shown as that push. `holds` is what nobody else gets meanwhile.
 */
export const PARKED_ROWS = `(
  select 'task' as kind, id, workspace_id, title as subject, null as effect_kind, id as task_id, repository_id, attempts,
         last_error, last_error_code as code, parked_at, null as holds
    from task where parked_at is not null and state <> 'completed'
  union all
  select 'task_request', q.id, q.workspace_id, initcap(left(q.kind, 1)) || replace(substr(q.kind, 2), '_', ' ') || ': ' || t.title,
         null, t.id, t.repository_id, q.attempts, q.last_error, q.last_error_code, q.parked_at, null
    from task_request q join task t on t.id = q.task_id where q.parked_at is not null and q.answered_at is null
  union all
  select 'run', r.id, r.workspace_id, 'Run ' || r.number || ': ' || t.title, null, t.id, t.repository_id, r.attempts,
         r.last_error, r.last_error_code, r.parked_at, 'Slot ' || r.slot || ' of pod ' || p.name
    from run r join task t on t.id = r.task_id join pod p on p.id = r.pod_id
   where r.parked_at is not null and r.state <> 'finished'
  union all
  select 'pod', p.id, p.workspace_id, p.name, null, null, p.repository_id, p.attempts, p.last_error, p.last_error_code,
         p.parked_at, 'Its place among the repository''s pods; nothing new is placed on it'
    from pod p where p.parked_at is not null and p.deleted_at is null
  union all
  select 'pull_request', p.id, p.workspace_id, coalesce('#' || p.number || ' ', '') || p.title, null, p.task_id,
         p.repository_id, p.attempts, coalesce(p.refusal->>'detail', p.last_error),
         coalesce(p.last_error_code, p.refusal->>'code'), p.parked_at, null
    from pull_request p
   where p.parked_at is not null and p.state <> 'merged'
     and not exists (select from effect e where e.task_id = p.task_id and e.kind in ('push_branch','open_pull_request')
                                            and e.parked_at is not null and e.arguments->>'pullRequestId' = p.id::text)
  union all
  select 'effect', e.id, e.workspace_id, initcap(left(e.kind, 1)) || replace(substr(e.kind, 2), '_', ' ') || ': ' || t.title,
         e.kind, t.id, t.repository_id, e.attempts, e.last_error, e.last_error_code, e.parked_at, null
    from effect e join task t on t.id = e.task_id where e.parked_at is not null and e.state = 'requested'
  union all
  select 'ticket_source', s.id, s.workspace_id, 'Tickets of ' || s.project || ' labelled ' || s.label, null, null, s.repository_id,
         s.attempts, s.last_error, s.last_error_code, s.parked_at, 'Its tickets: none of them becomes a task meanwhile'
    from ticket_source s where s.parked_at is not null and s.enabled
  union all
  select 'ticket', k.id, k.workspace_id, '#' || k.key || ' ' || k.title, null,
         (select t.id from task t where t.ticket_id = k.id order by t.created_at desc limit 1), s.repository_id, k.attempts,
         k.last_error, k.last_error_code, k.parked_at, null
    from ticket k join ticket_source s on s.id = k.source_id where k.parked_at is not null
  union all
  select 'delivery', d.id, d.workspace_id, d.forge || ' ' || d.event, null, null, d.repository_id, d.attempts, d.last_error,
         d.last_error_code, d.parked_at, null
    from delivery d where d.parked_at is not null
  union all
  select 'outbox', o.id, (o.payload->>'workspaceId')::uuid, o.event, null, (o.payload->>'taskId')::uuid,
         (o.payload->>'repositoryId')::uuid, o.attempts, o.last_error, o.last_error_code, o.parked_at, null
    from outbox o where o.parked_at is not null)`;
