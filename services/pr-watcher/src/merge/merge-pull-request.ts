import { Bug, TransientError } from '@capstan/domain';
import {
  MESSAGE_PENDING,
  recordTaskEvent,
  type Database,
  type Effect,
  type PullRequest,
  type Tx,
} from '@capstan/database';
import { pullRequestChanged } from '@capstan/events';
import type { EffectHandler, EffectOutcome, WriteContext } from '@capstan/service-kit';
import type { ForgeAccess } from '../forge-access.js';
import { changedEvent } from '../follow/follow.apply.js';
import { WATCHER } from '../publish/publish.apply.js';
import { refusalOf } from '../publish/publish.loop.js';
import { whyNotMerge, type MergeSight } from './merge.decide.js';

/** The row, and whether a merge is still wanted now. */
interface Subject {
  readonly row: PullRequest;
  readonly number: number;
  readonly unwanted: string | null;
}

/** Merges the head that was judged, and no other. A merge that is no longer right is `stale` and judged anew. */
export class MergePullRequest implements EffectHandler {
  constructor(
    private readonly database: Database,
    private readonly access: ForgeAccess,
  ) {}

  /** One request: merged is done, and closed or another head is stale. */
  async look(effect: Effect, signal: AbortSignal): Promise<EffectOutcome | null> {
    const { row, number } = await this.subjectOf(effect);
    const { forge, connection } = await this.access.of(row.repositoryId, 'publish');
    const found = await forge.findByHead(connection, row.branch, signal);
    const remote = found.find((each) => each.number === number);
    if (remote === undefined)
      throw new TransientError(`The forge does not show #${number}`, { code: 'pull_request_hidden' });
    if (remote.merged) return merged(remote.mergeCommitSha);
    if (remote.state === 'closed') return stale('it was closed');
    return remote.headSha === shaOf(effect) ? null : stale(`its head is ${remote.headSha} by now`);
  }

  async act(effect: Effect, context: WriteContext): Promise<EffectOutcome> {
    const { row, number, unwanted } = await this.subjectOf(effect);
    const { forge, connection, repository } = await this.access.of(row.repositoryId, 'publish');
    if (unwanted !== null) return stale(unwanted);
    const method = repository.mergeMethod;
    const title = method === 'squash' ? { title: `${row.title} (#${number})` } : {};
    await context.beforeWrite();
    const result = await forge.merge(connection, number, { sha: shaOf(effect), method, ...title }, context.signal);
    switch (result.kind) {
      case 'done':
        return merged(result.value.mergeCommitSha);
      case 'refused': {
        // What is merged already is refused as well: by an earlier request of ours, that took its time, or by a person.
        const found = await this.look(effect, context.signal);
        return found ?? { kind: 'refused', remoteId: null, result: { code: 'merge_refused', error: result.reason } };
      }
      case 'stale':
        return (await this.look(effect, context.signal)) ?? stale(result.reason);
    }
  }

  async record(tx: Tx, effect: Effect, outcome: EffectOutcome): Promise<void> {
    const row =
      outcome.kind === 'done' ? await this.recordMerged(tx, effect, outcome) : await recordRefused(tx, effect, outcome);
    if (row !== undefined) await tx.emit(pullRequestChanged, changedEvent(row));
  }

  private async recordMerged(tx: Tx, effect: Effect, outcome: EffectOutcome): Promise<PullRequest | undefined> {
    const [row] = await tx.query<PullRequest>(
      `update pull_request set state = 'merged', merge_commit = $2, merged_at = coalesce(merged_at, clock_timestamp()),
              refusal = null, decision = 'Merged', claimed_until = null, version = version + 1
        where id = $1 and state <> 'merged' returning *`,
      [effect.arguments['pullRequestId'], outcome.remoteId],
    );
    if (row !== undefined)
      await recordTaskEvent(tx, {
        workspaceId: row.workspaceId,
        taskId: row.taskId,
        kind: 'effect',
        cause: `Merged pull request #${row.number}`,
        actor: WATCHER,
        traceparent: effect.traceparent,
        detail: { mergeCommit: outcome.remoteId, sha: shaOf(effect) },
      });
    return row;
  }

  private async subjectOf(effect: Effect): Promise<Subject> {
    const [row] = await this.database.query<PullRequest & MergeSight>(
      `select pr.*, task.generation as task_generation, task.state as task_state, repository.auto_merge,
              workspace.paused_at is not null as paused,
              (task.intent is not null or task.state = 'queued'
                or exists (select 1 from run where run.task_id = task.id and run.state <> 'finished')
                or exists (select from task_request m where m.task_id = task.id and ${MESSAGE_PENDING})) as busy
         from pull_request pr join task on task.id = pr.task_id join workspace on workspace.id = pr.workspace_id
         join repository on repository.id = pr.repository_id
        where pr.id = $1`,
      [effect.arguments['pullRequestId']],
    );
    if (row === undefined || row.number === null) throw new Bug(`a merge without a pull request: effect ${effect.id}`);
    return { row, number: row.number, unwanted: whyNotMerge(row, shaOf(effect)) };
  }
}

/** A stale wish only wants another look; a refusal is shown until it is tried again. */
async function recordRefused(tx: Tx, effect: Effect, outcome: EffectOutcome): Promise<PullRequest | undefined> {
  const { code = 'merge_refused', error = '', remedy } = outcome.result as Record<string, string | undefined>;
  const refusal = code === 'stale' ? null : refusalOf({ code, message: error, remedy }, 'merge_refused');
  const [row] = await tx.query<PullRequest>(
    `update pull_request set refusal = coalesce($2::jsonb, refusal), next_check_at = clock_timestamp(), version = version + 1
      where id = $1 and state = 'open' returning *`,
    [effect.arguments['pullRequestId'], refusal === null ? null : JSON.stringify(refusal)],
  );
  return row;
}

function shaOf(effect: Effect): string {
  return String(effect.arguments['sha']);
}

function merged(mergeCommitSha: string | null): EffectOutcome {
  return { kind: 'done', remoteId: mergeCommitSha, result: { mergeCommitSha } };
}

function stale(reason: string): EffectOutcome {
  return { kind: 'refused', remoteId: null, result: { code: 'stale', error: reason } };
}
