import type { EffectKind } from '@capstan/domain';
import { decideFollow, type FollowSnapshot } from '@capstan/pr-watcher/follow/follow.decide';
import { decidePublish, whyNot } from '@capstan/pr-watcher/publish/publish.decide';
import { outcomeOf } from './scheduler-steps.js';
import type { PullRow, RunRow, Step, World } from './world.js';

type PublishSnapshot = Parameters<typeof decidePublish>[0];

const NOW = new Date('2027-01-01T12:00:00Z');
const LONG_AGO = new Date('2027-01-01T11:00:00Z');

/** What pr-watcher and ticket-sync do about one task besides their effects, and what people do at the forge. */
export function watcherSteps(world: World): Step[] {
  return [...publish(world), ...follow(world), ...mergeByHand(world), ...report(world)];
}

function publish(world: World): Step[] {
  const { run } = world;
  if (run?.state !== 'finished' || run.outcome !== 'commits') return [];
  const step = decidePublish(publishSnapshot(world, run));
  switch (step.kind) {
    case 'adopt':
      return [{ name: 'pr-watcher: takes the work up', to: { ...world, pull: adopted(world.pull) } }];
    case 'prepare':
      return [
        {
          name: 'pr-watcher: asks for the push',
          to: request({ ...world, run: { ...run, push: 'requested' } }, 'push_branch'),
        },
      ];
    case 'open':
      return [{ name: 'pr-watcher: asks for the pull request', to: requestOpen(world) }];
    case 'refuse':
      return [
        {
          name: 'pr-watcher: refuses',
          to: { ...world, pull: { ...world.pull!, state: 'refused', refusal: step.refusal.code } },
        },
      ];
    case 'ignore':
    case 'wait':
      return [];
  }
}

function adopted(before: PullRow | null): PullRow {
  if (before === null)
    return { state: 'publishing', mine: true, numbered: false, refusal: null, pushed: 'none', merge: 'none' };
  return {
    ...before,
    state: 'publishing',
    mine: true,
    refusal: null,
    numbered: before.numbered && before.state !== 'closed',
  };
}

/** Why a push of the present run isn't made any more; asked again immediately before it. */
export function whyNotPush(world: World): string | null {
  return world.run === null ? 'there is no run' : whyNot(publishSnapshot(world, world.run));
}

function publishSnapshot(world: World, run: RunRow): PublishSnapshot {
  const sight = (state: RunRow['push']): PublishSnapshot['push'] =>
    state === 'none' ? null : { state, parked: false, lastError: null, result: null };
  return {
    run: {
      id: 'run',
      workspaceId: 'w',
      repositoryId: 'r',
      taskId: 'task',
      podId: 'pod',
      epoch: run.epoch,
      generation: 1,
      branch: 'branch',
      baseBranch: 'main',
      baseSha: 'base',
      fenced: run.fenced,
      outcome: run.outcome && outcomeOf(run.outcome),
      traceparent: null,
      latest: true,
    },
    task: { kind: 'change', state: world.state, intent: world.intent, generation: 1, title: 'words' },
    pullRequest: world.pull && pullRow(world.pull),
    push: sight(run.push),
    open: sight(run.open),
  };
}

/** Inserts an effect; `mine` unless it is about a head that an earlier run left. */
function request(world: World, kind: EffectKind, mine = true): World {
  const effect = { kind, mine, state: 'requested', claimEpoch: 0, turn: 0, lapsed: false } as const;
  return { ...world, effects: [...world.effects, effect] };
}

export function requestOpen(world: World): World {
  return request({ ...world, run: { ...world.run!, open: 'requested' } }, 'open_pull_request');
}

/** One look at a pull request that has a number, with its checks green or red. */
function follow(world: World): Step[] {
  const { pull } = world;
  if (pull === null || !pull.numbered) return [];
  const active = world.state === 'provisioning' || world.state === 'running';
  if (pull.state === 'merged' || (pull.state === 'publishing' && active)) return [];
  const checks = world.remote.merges > 0 ? (['success'] as const) : (['success', 'failure'] as const);
  return checks.flatMap((state): Step[] => {
    const { patch, merge } = decideFollow(followSnapshot(world, pull, state));
    const row: PullRow = {
      ...pull,
      state: patch.state,
      refusal: patch.refusal?.code ?? null,
      merge: merge === null ? pull.merge : 'asked',
    };
    const seen = { ...world, pull: row };
    const to = merge === null ? seen : request(seen, 'merge_pull_request', pull.pushed === 'mine');
    return JSON.stringify(to) === JSON.stringify(world)
      ? []
      : [{ name: `pr-watcher: looks, checks ${state}`, ...(state === 'failure' ? { turn: true } : {}), to }];
  });
}

function followSnapshot(world: World, pull: PullRow, state: 'success' | 'failure'): FollowSnapshot {
  const { run, remote } = world;
  const asked = pull.merge === 'asked';
  const merge = {
    state: asked ? 'requested' : 'refused',
    parked: false,
    code: asked ? null : 'stale',
    words: null,
    settledAt: null,
  } as const;
  return {
    now: NOW,
    beganAt: NOW,
    random: 0.5,
    intervalMs: 30_000,
    pullRequest: pullRow(pull),
    task: {
      state: world.state,
      intent: world.intent,
      generation: 1,
      agentAtWork: run !== null && run.state !== 'finished',
    },
    rules: { autoMerge: true, mergeWithoutChecks: false, requiredApprovals: 0 },
    workspacePaused: false,
    merges: pull.merge === 'none' ? [] : [merge],
    before: { checks: [], reviews: [] },
    hook: { lastDeliveryAt: null, missedAt: null },
    reading: {
      kind: 'read',
      view: {
        pullRequest: {
          number: 7,
          url: 'url',
          state: remote.merges > 0 ? 'closed' : 'open',
          merged: remote.merges > 0,
          draft: false,
          headSha: remote.head,
          headRef: 'branch',
          baseRef: 'main',
          mergeable: true,
          mergeableState: 'clean',
          mergeCommitSha: null,
          closedBy: null,
          updatedAt: LONG_AGO.toISOString(),
        },
        checks: {
          known: true,
          value: [{ name: 'test', source: 'check_run', state, required: false, url: null, summary: null }],
        },
        reviews: { known: true, value: [] },
        missingRequired: { known: true, value: [] },
      },
    },
  };
}

/** The row as the decisions read it; whose a head is stands for the commit itself. */
export function pullRow(pull: PullRow): NonNullable<PublishSnapshot['pullRequest']> {
  const sha = pull.pushed === 'none' ? null : pull.pushed;
  return {
    id: 'pull',
    workspaceId: 'w',
    repositoryId: 'r',
    taskId: 'task',
    runId: pull.mine ? 'run' : 'older run',
    generation: 1,
    branch: 'branch',
    baseBranch: 'main',
    title: 'words',
    number: pull.numbered ? 7 : null,
    url: null,
    state: pull.state,
    headSha: sha,
    headSeenAt: LONG_AGO,
    pushedSha: sha,
    refusal: pull.refusal && { code: pull.refusal, detail: 'words' },
    decision: null,
    checks: 'none',
    reviews: 'none',
    mergeable: null,
    openedAt: null,
    mergedAt: null,
    mergeCommit: null,
    closedAt: null,
    closedBy: null,
    lastCheckedAt: null,
    nextCheckAt: NOW,
    lookedAt: null,
    seenUpdatedAt: null,
    glanceAt: null,
    toldAt: null,
    untoldAt: null,
    claimedUntil: null,
    createdAt: LONG_AGO,
    attempts: 0,
    lastError: null,
    lastErrorCode: null,
    parkedAt: null,
    version: 1,
  };
}

function mergeByHand(world: World): Step[] {
  const { remote } = world;
  if (remote.pulls === 0 || remote.merges > 0) return [];
  return [{ name: 'a person merges the pull request', turn: true, to: { ...world, remote: { ...remote, merges: 1 } } }];
}

function report(world: World): Step[] {
  if (world.state !== 'completed' || world.report !== 'none') return [];
  return [{ name: 'ticket-sync: asks for the comment', to: request({ ...world, report: 'asked' }, 'comment_ticket') }];
}
