import { Bug, TransientError } from '@capstan/domain';
import { recordTaskEvent, type Database, type Effect, type PullRequest, type Tx } from '@capstan/database';
import { pullRequestChanged } from '@capstan/events';
import type { EffectHandler, EffectOutcome, WriteContext } from '@capstan/service-kit';
import type { ForgeAccess, RepositoryAccess } from '../forge-access.js';
import { changedEvent } from '../follow/follow.apply.js';
import type { Intake } from '../publish/intake.js';
import { WATCHER, refusePublish, requestOpen } from '../publish/publish.apply.js';
import { whyNot } from '../publish/publish.decide.js';
import { refusalOf } from '../publish/publish.loop.js';
import { readPublish, type PublishSnapshot } from '../publish/publish.snapshot.js';
import { requestReport } from '../report/report-head.js';
import type { Mirrors } from './mirror.js';

/** Pushes a run's commits: exactly one ref, and only from where Capstan left it. */
export class PushBranch implements EffectHandler {
  constructor(
    private readonly parts: {
      readonly database: Database;
      readonly access: ForgeAccess;
      readonly mirrors: Mirrors;
      readonly intake: Intake;
    },
  ) {}

  /** A remote branch that is at the head already is a push that arrived. */
  async look(effect: Effect, signal: AbortSignal): Promise<EffectOutcome | null> {
    // Nobody has claimed it before, so nobody has pushed; and the push itself goes by a lease on what is there.
    if (effect.claimEpoch === 1) return null;
    const { run } = await this.snapshotOf(effect);
    const access = await this.parts.access.of(run.repositoryId, 'fetch');
    const head = headOf(run);
    const remote = await this.parts.mirrors.remoteHead(access, run.branch, signal);
    return remote === head ? this.pushed(access, run, head) : null;
  }

  async act(effect: Effect, context: WriteContext): Promise<EffectOutcome> {
    const { mirrors, intake } = this.parts;
    const access = await this.parts.access.of((await this.snapshotOf(effect)).run.repositoryId, 'publish');
    // Another replica may have checked the commits in a mirror of its own: nothing leaves this one unchecked.
    const verdict = await intake.prepare(access, (await this.snapshotOf(effect)).run);
    if (verdict.kind === 'refuse') return refused(verdict.code, verdict.detail);
    const snapshot = await this.snapshotOf(effect);
    const unwanted = whyNot(snapshot);
    if (unwanted !== null) return refused('superseded', `Not pushed: ${unwanted}.`);
    const { run, pullRequest } = snapshot;
    const expected = pullRequest?.pushedSha ?? null;
    const result = await mirrors.read(access, async (mirror) => {
      await context.beforeWrite();
      return mirror.push(run.branch, verdict.head, expected, context.signal);
    });
    switch (result.kind) {
      case 'pushed':
        return this.pushed(access, run, verdict.head);
      case 'refused':
        return refused('push_refused', result.reason);
      case 'moved':
        return this.moved(access, run, verdict.head, expected);
    }
  }

  /** The row follows the push in the transaction that settles it. */
  async record(tx: Tx, effect: Effect, outcome: EffectOutcome): Promise<void> {
    const pullRequestId = String(effect.arguments['pullRequestId']);
    const { code = 'push_refused', error = '', remedy, head } = outcome.result as Record<string, string | undefined>;
    if (outcome.kind === 'refused') {
      if (code === 'superseded') return;
      const refusal = refusalOf({ code, message: error, remedy }, 'push_refused');
      return refusePublish(tx, pullRequestId, effect.runId!, refusal);
    }
    await tx.query('delete from "check" where pull_request_id = $1', [pullRequestId]);
    const [row] = await tx.query<PullRequest>(
      `update pull_request set pushed_sha = $3, head_sha = $3, head_seen_at = clock_timestamp(), checks = 'none',
              mergeable = null, refusal = null, decision = 'Waiting for the forge', attempts = 0, last_error = null,
              state = case when number is null then 'publishing' else 'open' end, claimed_until = null,
              next_check_at = clock_timestamp() + case when number is null then interval '30 seconds' else interval '0' end,
              version = version + 1
        where id = $1 and run_id = $2 and state = 'publishing' returning *`,
      [pullRequestId, effect.runId, head],
    );
    if (row === undefined) return;
    await recordTaskEvent(tx, {
      workspaceId: row.workspaceId,
      taskId: row.taskId,
      kind: 'effect',
      cause: `Pushed ${row.branch} at ${head!.slice(0, 12)}`,
      actor: WATCHER,
      traceparent: effect.traceparent,
      detail: { branch: row.branch, head },
    });
    if (row.number === null) await requestOpen(tx, row, effect.traceparent);
    await requestReport(tx, row, effect.traceparent);
    await tx.emit(pullRequestChanged, changedEvent(row));
  }

  private async snapshotOf(effect: Effect): Promise<PublishSnapshot> {
    const snapshot = effect.runId === null ? null : await readPublish(this.parts.database, effect.runId);
    if (snapshot === null) throw new Bug(`a push without a finished run: effect ${effect.id}`);
    return snapshot;
  }

  private async pushed(access: RepositoryAccess, run: PublishSnapshot['run'], head: string): Promise<EffectOutcome> {
    const commits = await this.parts.intake.subjects(access, run);
    return { kind: 'done', remoteId: head, result: { head, branch: run.branch, commits } };
  }

  private async moved(
    access: RepositoryAccess,
    run: PublishSnapshot['run'],
    head: string,
    expected: string | null,
  ): Promise<EffectOutcome> {
    const remote = await this.parts.mirrors.remoteHead(access, run.branch);
    if (remote === head) return this.pushed(access, run, head);
    if (remote === expected)
      throw new TransientError('The branch moved and came back while it was pushed', { code: 'push_raced' });
    const where = remote === null ? 'is gone' : `is at ${remote}`;
    return refused('foreign_head', `${run.branch} ${where}; Capstan left it at ${expected ?? 'no commit'}.`);
  }
}

function headOf(run: PublishSnapshot['run']): string {
  const head = run.outcome?.head;
  if (head === undefined) throw new Bug(`run ${run.id} left commits but names no head`);
  return head;
}

function refused(code: string, error: string): EffectOutcome {
  return { kind: 'refused', remoteId: null, result: { code, error } };
}
