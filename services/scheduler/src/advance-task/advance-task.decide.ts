import {
  MAX_CI_RESUMES,
  MAX_SAME_CI_FAILURES,
  MAX_RETRIES,
  backoffMs,
  costLimitReached,
  symptomOf,
  unreachable,
  type Id,
  type RunOutcome,
  type RunState,
  type PullRequestState,
  type TaskIntent,
  type TaskKind,
  type TaskState,
  type TransitionName,
} from '@capstan/domain';
import type { AttentionJson, TaskPatch } from '@capstan/database';

/** The world as one task's life depends on it, read in one statement. */
export interface AdvanceSnapshot {
  /** Unix ms by the database's clock. */
  readonly now: number;
  /** In [0, 1): spreads back-offs. */
  readonly random: number;
  readonly task: {
    readonly id: Id;
    readonly kind: TaskKind;
    readonly state: TaskState;
    readonly intent: TaskIntent | null;
    /** Unix ms. */
    readonly intentAt: number | null;
    readonly retries: number;
    readonly ciResumes: number;
    readonly generation: number;
    readonly maxCostUsd: number;
    /** Code of what a person has to look at. */
    readonly attention: string | null;
    /** People wrote to it, and no run has been given that yet. */
    readonly hasMessages: boolean;
  };
  /** The run that `current_run_id` names. */
  readonly run: {
    readonly id: Id;
    readonly state: RunState;
    readonly outcome: RunOutcome | null;
    readonly generation: number;
  } | null;
  /** The pull request of the task's generation. */
  readonly pullRequest: {
    readonly id: Id;
    readonly runId: Id;
    readonly state: PullRequestState;
    readonly number: number | null;
    readonly refusal: AttentionJson | null;
    readonly headSha: string | null;
  } | null;
  readonly dependencies: readonly { readonly shortId: string; readonly state: TaskState }[];
  /** US dollars over all runs. */
  readonly costUsd: number;
  /** What its last runs were told of red checks, newest first, since the task was last without any. */
  readonly redBefore: readonly string[];
}

/** What follows. `none` says why nothing does. */
export type AdvancePlan =
  | { readonly kind: 'none'; readonly reason: string }
  | {
      readonly kind: 'transition';
      readonly transition: TransitionName;
      readonly cause: string;
      readonly patch: TaskPatch;
      /** The run is still alive and has lost its task: whoever drives it ends it. */
      readonly stopRun?: boolean;
      /** Nobody could confirm that the agent is gone: the run is fenced off. */
      readonly fenceRun?: boolean;
      /** The run didn't act on what people wrote: the task's next one is given it. */
      readonly returnMessages?: boolean;
      /** The work is set aside, and what was written about it. */
      readonly dropMessages?: boolean;
      readonly pauseCredential?: { readonly credential: string; readonly until: number; readonly reason: string };
    };

/** How long a pod may stay unasked before an intent is honoured without it, ms. */
export const UNCONFIRMED_AFTER_MS = 60_000;
/** When a rate limit names no end, ms. */
const RATE_LIMIT_DEFAULT_MS = 60_000;
/** Shorter than this no rate limit is taken to last, so that one which has just ended starts no storm of runs, ms. */
const RATE_LIMIT_SHORTEST_MS = 10_000;
/** Longer than this no word of an agent's makes its task wait, ms. */
const RATE_LIMIT_LONGEST_MS = 7 * 86_400_000;
const RETRY_BACKOFF = { baseMs: 5_000, maxMs: 300_000 };

const FOR_MESSAGES: TaskPatch = { runReason: 'message', runNote: null, notBefore: null, retries: 0, ciResumes: 0 };

const NOTHING = (reason: string): AdvancePlan => ({ kind: 'none', reason });

/** The next step of one task's life, if there is one. */
export function decideAdvance(snapshot: AdvanceSnapshot): AdvancePlan {
  const { task, run, pullRequest } = snapshot;
  const live = run !== null && run.state !== 'finished';
  if (pullRequest?.state === 'merged' && task.state !== 'completed' && task.state !== 'waiting')
    return move(
      'complete',
      `Pull request #${pullRequest.number} was merged`,
      { intent: null, ...ended(snapshot) },
      live ? { stopRun: true } : {},
    );
  if (task.intent !== null) return honourIntent(snapshot, task.intent, live);
  switch (task.state) {
    case 'waiting':
      return decideWaiting(snapshot);
    case 'provisioning':
      if (run?.state === 'running' || agentWasAtWork(run))
        return move('start', 'The agent was started', { waiting: null });
      return run === null || run.state === 'finished' ? judge(snapshot) : NOTHING('the run is being prepared');
    case 'running':
      return run === null || run.state === 'finished' ? judge(snapshot) : NOTHING('the agent is at work');
    case 'pr_opened':
      return decideOpened(snapshot);
    case 'needs_attention':
      return decideReplayed(snapshot);
    case 'queued':
    case 'failed':
    case 'cancelled':
    case 'completed':
      return NOTHING(`a ${task.state} task advances by placement or by request`);
    default:
      return unreachable(task.state);
  }
}

/** A short run may be over, even published, before its start was seen: the task passes through `running` all the same. */
function agentWasAtWork(run: AdvanceSnapshot['run']): boolean {
  const kind = run?.outcome?.kind;
  return kind === 'commits' || kind === 'no_changes' || kind === 'limit_reached';
}

function honourIntent(snapshot: AdvanceSnapshot, intent: TaskIntent, live: boolean): AdvancePlan {
  const { task, now } = snapshot;
  const overdue = task.intentAt !== null && now - task.intentAt >= UNCONFIRMED_AFTER_MS;
  if (live && !overdue) return NOTHING('waiting for the agent to be confirmed gone');
  const unconfirmed = live ? { agentUnconfirmed: true } : {};
  const fence = live ? { fenceRun: true } : {};
  const cost = { costUsd: String(snapshot.costUsd) };
  // Whatever the run was told it has not acted on; a later retry is told again.
  const returned = { returnMessages: true };
  if (intent === 'cancel' || live)
    return move(
      'cancel',
      live ? 'Cancelled; the agent could not be confirmed gone' : 'Cancelled',
      { ...ended(snapshot), ...unconfirmed, intent: null },
      { ...fence, ...returned },
    );
  const patch: TaskPatch = {
    intent: null,
    intentAt: null,
    retries: 0,
    ciResumes: 0,
    runNote: null,
    notBefore: null,
    ...cost,
  };
  if (intent === 'restart')
    return move('requeue', 'Restarted on the same branch', { ...patch, runReason: 'restart' }, returned);
  return move(
    'requeue',
    'Started over on a new branch',
    { ...patch, runReason: 'initial', generation: task.generation + 1, branch: null },
    { dropMessages: true },
  );
}

function decideWaiting({ dependencies }: AdvanceSnapshot): AdvancePlan {
  const broken = dependencies.find(({ state }) => state === 'failed' || state === 'cancelled');
  if (broken !== undefined) {
    const detail = `Task ${broken.shortId} is ${broken.state}`;
    return move('dependencyFailed', detail, { waiting: null, attention: { code: 'dependency_failed', detail } });
  }
  if (dependencies.every(({ state }) => state === 'completed'))
    return move('dependenciesMet', 'All dependencies completed', { waiting: null });
  return NOTHING('dependencies are not completed');
}

/** What a finished run means (DESIGN §2, "Outcome of a run"). */
function judge(snapshot: AdvanceSnapshot): AdvancePlan {
  const { run, task, now } = snapshot;
  const outcome: RunOutcome = run?.outcome ?? { kind: 'lost', detail: 'The run is not there', symptom: 'run_lost' };
  const attention: AttentionJson = { code: outcome.symptom ?? 'agent_failed', detail: outcome.detail };
  switch (outcome.kind) {
    case 'commits':
      if (task.kind === 'change') return published(snapshot);
      return task.hasMessages ? withMessages(snapshot) : move('complete', 'The agent finished', ended(snapshot));
    case 'no_changes':
      if (task.hasMessages) return withMessages(snapshot);
      return task.kind === 'change'
        ? needAttention(snapshot, attention)
        : move('complete', 'The agent finished', ended(snapshot));
    case 'limit_reached':
      return needAttention(snapshot, attention);
    case 'credential_refused':
      return move('fail', outcome.detail, { ...ended(snapshot), attention }, { returnMessages: true });
    case 'rate_limited': {
      // It takes no attempt, so money is what ends a run that is limited again and again.
      if (tooExpensive(snapshot)) return costLimit(snapshot);
      const resetAt = outcome.resetAt === undefined ? now + RATE_LIMIT_DEFAULT_MS : Date.parse(outcome.resetAt);
      const until = Math.min(Math.max(resetAt, now + RATE_LIMIT_SHORTEST_MS), now + RATE_LIMIT_LONGEST_MS);
      return move(
        'requeue',
        outcome.detail,
        { ...again(snapshot), notBefore: new Date(until), runReason: 'retry' },
        {
          returnMessages: true,
          ...(outcome.credential !== undefined && {
            pauseCredential: { credential: outcome.credential, until, reason: outcome.detail },
          }),
        },
      );
    }
    case 'failed':
      return symptomOf(attention.code).retryable
        ? retryOrFail(snapshot, attention)
        : move('fail', outcome.detail, { ...ended(snapshot), attention }, { returnMessages: true });
    case 'lost':
    case 'stopped':
      return retryOrFail(snapshot, attention);
    default:
      return unreachable(outcome.kind);
  }
}

function published(snapshot: AdvanceSnapshot): AdvancePlan {
  const { pullRequest, run } = snapshot;
  if (pullRequest === null || pullRequest.runId !== run?.id) return NOTHING('the work is about to be published');
  switch (pullRequest.state) {
    case 'publishing':
      return NOTHING('the work is being published');
    case 'refused':
      return needAttention(
        snapshot,
        pullRequest.refusal ?? { code: 'push_refused', detail: 'The work was not published' },
      );
    case 'open':
    case 'closed':
      return move('openPullRequest', `Pull request #${pullRequest.number} is open`, {
        waiting: null,
        attention: null,
        costUsd: String(snapshot.costUsd),
      });
    case 'merged':
      return NOTHING('merged is handled before');
    default:
      return unreachable(pullRequest.state);
  }
}

function decideOpened(snapshot: AdvanceSnapshot): AdvancePlan {
  const { pullRequest, task } = snapshot;
  if (pullRequest === null || pullRequest.state === 'publishing') return NOTHING('the pull request is being published');
  const refusal = pullRequest.refusal;
  if (pullRequest.state === 'closed')
    return needAttention(
      snapshot,
      refusal ?? { code: 'pull_request_closed', detail: `Pull request #${pullRequest.number} was closed` },
    );
  if (task.hasMessages && !tooExpensive(snapshot))
    return move('sendBack', 'A message waits for the agent', { ...again(snapshot), ...FOR_MESSAGES });
  if (refusal === null) return NOTHING('the pull request is being followed');
  if (refusal.code === 'ci_failed') return decideRed(snapshot, refusal);
  return needAttention(snapshot, refusal);
}

/** Sends the agent back in with what failed, unless it was often enough, or nothing came of it. */
function decideRed(snapshot: AdvanceSnapshot, refusal: AttentionJson): AdvancePlan {
  const { task, redBefore } = snapshot;
  const exhausted =
    task.ciResumes >= MAX_CI_RESUMES
      ? `The agent was sent back in ${MAX_CI_RESUMES} times.`
      : redBefore.length >= MAX_SAME_CI_FAILURES && redBefore.every((told) => sameFailure(told, refusal.detail))
        ? `The agent was sent back in ${MAX_SAME_CI_FAILURES} times, and the same failed each time.`
        : null;
  if (exhausted !== null) return needAttention(snapshot, { ...refusal, detail: `${exhausted} ${refusal.detail}` });
  if (tooExpensive(snapshot)) return costLimit(snapshot);
  return move('sendBack', `Checks failed; the agent goes back in (${task.ciResumes + 1} of ${MAX_CI_RESUMES})`, {
    runReason: 'ci_failed',
    runNote: refusal.detail,
    ciResumes: task.ciResumes + 1,
    notBefore: null,
    waiting: null,
    attention: null,
  });
}

/** Whether two reports say the same but for what differs each time: commits, durations, addresses of runs. */
function sameFailure(one: string, other: string): boolean {
  return withoutChance(one) === withoutChance(other);
}

function withoutChance(report: string): string {
  return report
    .replace(/https?:\/\/[^\s)]+/g, '')
    .replace(/\b[0-9a-f]{7,40}\b/g, '')
    .replace(/\d+/g, '');
}

/** What needed a person was a write that was parked; somebody replayed it, and the pull request stands. */
function decideReplayed({ task, pullRequest, costUsd }: AdvanceSnapshot): AdvancePlan {
  if (task.attention !== 'effect_parked' || pullRequest?.state !== 'open' || pullRequest.refusal !== null)
    return NOTHING('a needs_attention task advances by request');
  return move('openPullRequest', `Replayed: pull request #${pullRequest.number} is open`, {
    waiting: null,
    attention: null,
    costUsd: String(costUsd),
  });
}

function retryOrFail(snapshot: AdvanceSnapshot, attention: AttentionJson): AdvancePlan {
  const { task, now, random } = snapshot;
  const returned = { returnMessages: true };
  if (task.retries >= MAX_RETRIES) {
    const cause = `${attention.detail}; tried again ${MAX_RETRIES} times`;
    return move('fail', cause, { ...ended(snapshot), attention }, returned);
  }
  if (tooExpensive(snapshot)) return { ...costLimit(snapshot), ...returned };
  const retries = task.retries + 1;
  const patch: TaskPatch = {
    ...again(snapshot),
    retries,
    notBefore: new Date(now + backoffMs(retries, random, RETRY_BACKOFF)),
    runReason: 'retry',
    runNote: attention.detail,
  };
  return move('requeue', `${attention.detail}; retry ${retries} of ${MAX_RETRIES}`, patch, returned);
}

/** People wrote while the agent was at work, and it couldn't be told then. */
function withMessages(snapshot: AdvanceSnapshot): AdvancePlan {
  if (tooExpensive(snapshot)) return costLimit(snapshot);
  return move('requeue', 'A message waits for the agent', { ...again(snapshot), ...FOR_MESSAGES });
}

function tooExpensive({ costUsd, task }: AdvanceSnapshot): boolean {
  return costLimitReached(costUsd, task.maxCostUsd);
}

function costLimit(snapshot: AdvanceSnapshot): AdvancePlan {
  const { costUsd, task } = snapshot;
  return needAttention(snapshot, {
    code: 'cost_limit',
    detail: `The task has cost $${costUsd.toFixed(2)} of $${task.maxCostUsd.toFixed(2)}`,
  });
}

function needAttention(snapshot: AdvanceSnapshot, attention: AttentionJson): AdvancePlan {
  // A run that was lost before its agent started leaves a provisioning task, from which a person can't be asked.
  if (snapshot.task.state === 'provisioning') return move('fail', attention.detail, { ...ended(snapshot), attention });
  return move('needAttention', attention.detail, { waiting: null, attention, costUsd: String(snapshot.costUsd) });
}

function again({ costUsd }: AdvanceSnapshot): TaskPatch {
  return { waiting: null, attention: null, costUsd: String(costUsd) };
}

function ended({ now, costUsd }: AdvanceSnapshot): TaskPatch {
  return { endedAt: new Date(now), waiting: null, attention: null, costUsd: String(costUsd) };
}

function move(
  transition: TransitionName,
  cause: string,
  patch: TaskPatch,
  extra: Omit<Partial<Extract<AdvancePlan, { kind: 'transition' }>>, 'kind'> = {},
): AdvancePlan {
  return { kind: 'transition', transition, cause, patch, ...extra };
}
