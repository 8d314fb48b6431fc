import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { Id } from '@capstan/domain';
import { Database, MESSAGE_PENDING } from '@capstan/database';
import { Loops } from '@capstan/service-kit';
import { UNCONFIRMED_AFTER_MS } from './advance-task.decide.js';
import { Advancer } from './advancer.js';

/** Tasks that can advance now: what merely waits takes no place from them. */
export function dueAdvances(database: Database, limit: number): Promise<{ readonly id: Id }[]> {
  return database.query<{ id: Id }>(DUE, [limit, UNCONFIRMED_AFTER_MS]);
}

/** Tasks whose row lags behind what it depends on: an event was lost, or time has passed. */
const DUE = `
  select t.id from task t
    left join run u on u.id = t.current_run_id
    left join pull_request p on p.task_id = t.id and p.generation = t.generation
   where t.parked_at is null and t.state <> 'completed'
     and (t.retry_at is null or t.retry_at <= clock_timestamp())
     and (t.state = 'waiting' and (
            exists (select from task_dependency e join task d on d.id = e.depends_on_id
                     where e.task_id = t.id and d.state in ('failed','cancelled'))
            or not exists (select from task_dependency e join task d on d.id = e.depends_on_id
                            where e.task_id = t.id and d.state <> 'completed'))
       or t.state in ('provisioning','running') and (u.id is null or u.state = 'finished' or t.state = 'provisioning' and u.state = 'running')
       or t.intent is not null and (u.state = 'finished' or t.intent_at < clock_timestamp() - $2 * interval '1 ms')
       or t.state = 'pr_opened' and (p.refusal is not null or p.state in ('merged','closed')
            or p.state = 'open' and exists (select from task_request m where m.task_id = t.id and ${MESSAGE_PENDING}))
       or t.state = 'needs_attention' and t.attention->>'code' = 'effect_parked' and p.state = 'open' and p.refusal is null
       or t.state in ('queued','needs_attention','failed','cancelled') and p.state = 'merged')
   order by t.updated_at limit $1`;

/** The resync of a task's life. */
@Injectable()
export class AdvanceTaskLoop implements OnApplicationBootstrap {
  constructor(
    private readonly database: Database,
    private readonly loops: Loops,
    private readonly advancer: Advancer,
  ) {}

  onApplicationBootstrap(): void {
    this.loops.resync<{ id: Id }>({
      name: 'advance',
      due: (limit) => dueAdvances(this.database, limit),
      handle: ({ id }) => this.advancer.resync(id),
    });
  }
}
