import { Bug, TransientError, UserError, type Id } from '@capstan/domain';
import { recordTaskEvent, type Database, type Effect, type PullRequest, type Task, type Tx } from '@capstan/database';
import { pullRequestChanged } from '@capstan/events';
import type { ForgePullRequest } from '@capstan/forges';
import type { EffectHandler, EffectOutcome, WriteContext } from '@capstan/service-kit';
import type { ForgeAccess } from '../forge-access.js';
import { changedEvent } from '../follow/follow.apply.js';
import { WATCHER, refusePublish } from '../publish/publish.apply.js';
import { refusalOf } from '../publish/publish.loop.js';
import { pushKey } from '../publish/publish.snapshot.js';
import { whyNotOpen } from './open.decide.js';
import { pullRequestBody, type PullRequestText } from './pull-request-body.js';

interface Subject {
  readonly row: PullRequest;
  readonly commits: readonly string[];
  readonly blocked: PullRequestText['blocked'];
  readonly ticket: { readonly key: string; readonly url: string; readonly project: string } | null;
}

/** Opens the pull request of a pushed branch; a branch has one. */
export class OpenPullRequest implements EffectHandler {
  constructor(
    private readonly database: Database,
    private readonly access: ForgeAccess,
  ) {}

  /** An open pull request of the branch is this one, and so is one of the pushed head that somebody was quick to end. */
  async look(effect: Effect, signal: AbortSignal): Promise<EffectOutcome | null> {
    const row = await this.rowOf(effect);
    const { forge, connection } = await this.access.of(row.repositoryId, 'publish');
    const found = await forge.findByHead(connection, row.branch, signal);
    const ours = found.find(({ state }) => state === 'open') ?? found.find(({ headSha }) => headSha === row.pushedSha);
    return ours === undefined ? null : opened(ours);
  }

  async act(effect: Effect, context: WriteContext): Promise<EffectOutcome> {
    const { row, commits, ticket, blocked } = await this.subjectOf(effect);
    const unwanted = await this.whyNot(row);
    if (unwanted !== null) throw new UserError(`Not opened: ${unwanted}`, { code: 'superseded' });
    const { forge, connection, repository } = await this.access.of(row.repositoryId, 'publish');
    const sameRepository = ticket?.project.toLowerCase() === repository.fullName.toLowerCase();
    const body = pullRequestBody({
      taskId: row.taskId,
      commits,
      blocked,
      ticket: ticket === null ? null : { ...ticket, sameRepository },
    });
    await context.beforeWrite();
    const request = { title: row.title, body, head: row.branch, base: row.baseBranch, draft: false };
    const result = await forge.open(connection, request, context.signal);
    if (result.kind === 'done') return opened(result.value);
    if (result.kind === 'refused')
      return { kind: 'refused', remoteId: null, result: { code: 'open_refused', error: result.reason } };
    // Somebody was faster: the next try finds it.
    throw new TransientError(result.reason, { code: 'open_raced', retryAfterMs: 1_000 });
  }

  async record(tx: Tx, effect: Effect, outcome: EffectOutcome): Promise<void> {
    const pullRequestId = String(effect.arguments['pullRequestId']);
    if (outcome.kind === 'refused') {
      const { code = 'open_refused', error = '', remedy } = outcome.result as Record<string, string | undefined>;
      if (code === 'superseded') return;
      const refusal = refusalOf({ code, message: error, remedy }, 'open_refused');
      return refusePublish(tx, pullRequestId, effect.runId!, refusal);
    }
    const { number, url } = outcome.result as { number: number; url: string };
    const [row] = await tx.query<PullRequest>(
      `update pull_request set number = $3, url = $4, state = 'open', opened_at = coalesce(opened_at, clock_timestamp()),
              next_check_at = clock_timestamp(), claimed_until = null, version = version + 1
        where id = $1 and run_id = $2 and state = 'publishing' returning *`,
      [pullRequestId, effect.runId, number, url],
    );
    if (row === undefined) return;
    await recordTaskEvent(tx, {
      workspaceId: row.workspaceId,
      taskId: row.taskId,
      kind: 'effect',
      cause: `Opened pull request #${number}`,
      actor: WATCHER,
      traceparent: effect.traceparent,
      detail: { number, url },
    });
    await tx.emit(pullRequestChanged, changedEvent(row));
  }

  private async rowOf(effect: Effect): Promise<PullRequest> {
    const id = effect.arguments['pullRequestId'];
    const [row] = await this.database.query<PullRequest>('select * from pull_request where id = $1', [id]);
    if (row === undefined) throw new Bug(`a pull request without a row: effect ${effect.id}`);
    if (row.runId !== effect.runId || row.pushedSha === null)
      throw new UserError('A later run took its place', { code: 'superseded' });
    return row;
  }

  /** A task that was cancelled after its push gets no pull request any more. */
  private async whyNot(row: PullRequest): Promise<string | null> {
    const [task] = await this.database.query<Pick<Task, 'state' | 'intent' | 'generation'>>(
      'select state, intent, generation from task where id = $1',
      [row.taskId],
    );
    return whyNotOpen(task, row);
  }

  private async subjectOf(effect: Effect): Promise<Subject> {
    const row = await this.rowOf(effect);
    const [push] = await this.database.query<{ commits: string[] | null }>(
      `select result->'commits' as commits from effect where key = $1`,
      [pushKey(row.runId)],
    );
    const [ticket, blocked] = await Promise.all([this.ticketOf(row.taskId), this.blockedOf(row.taskId)]);
    return { row, commits: push?.commits ?? [], ticket, blocked };
  }

  private async blockedOf(taskId: Id): Promise<Subject['blocked']> {
    return await this.database.query<Subject['blocked'][number]>(
      `select host || case when port in (0, 443) then '' else ':' || port end as place, sum(connections)::int as times
         from run_network where run_id in (select id from run where task_id = $1) and verdict = 'blocked'
        group by 1 order by 2 desc, 1`,
      [taskId],
    );
  }

  private async ticketOf(taskId: Id): Promise<Subject['ticket']> {
    const [ticket] = await this.database.query<{ key: string; url: string; project: string }>(
      `select ticket.key, ticket.url, ticket_source.project from task join ticket on ticket.id = task.ticket_id
         join ticket_source on ticket_source.id = ticket.source_id where task.id = $1`,
      [taskId],
    );
    return ticket ?? null;
  }
}

function opened({ number, url, headSha }: ForgePullRequest): EffectOutcome {
  return { kind: 'done', remoteId: String(number), result: { number, url, headSha } };
}
