import type { PullRequest } from '@capstan/database';
import type { ForgeCheck, ForgePullRequest, ForgeReview, PullRequestView } from '@capstan/forges';
import type { FollowSnapshot } from './follow.decide.js';

export const HEAD = 'a'.repeat(40);
export const NOW = new Date('2026-01-01T12:00:00Z');
const LONG_AGO = new Date('2026-01-01T11:00:00Z');

/** An open pull request whose head Capstan pushed an hour ago. */
export function row(change: Partial<PullRequest> = {}): PullRequest {
  return {
    id: '018f0000-0000-7000-8000-000000000001',
    workspaceId: '018f0000-0000-7000-8000-000000000002',
    repositoryId: '018f0000-0000-7000-8000-000000000003',
    taskId: '018f0000-0000-7000-8000-000000000004',
    runId: '018f0000-0000-7000-8000-000000000005',
    generation: 1,
    branch: 'capstan/1-fix',
    baseBranch: 'main',
    title: 'Fix',
    number: 7,
    url: 'https://forge.test/7',
    state: 'open',
    headSha: HEAD,
    headSeenAt: LONG_AGO,
    pushedSha: HEAD,
    refusal: null,
    decision: null,
    checks: 'none',
    reviews: 'none',
    mergeable: null,
    openedAt: LONG_AGO,
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
    version: 3,
    ...change,
  };
}

export function remote(change: Partial<ForgePullRequest> = {}): ForgePullRequest {
  return {
    number: 7,
    url: 'https://forge.test/7',
    state: 'open',
    merged: false,
    draft: false,
    headSha: HEAD,
    headRef: 'capstan/1-fix',
    baseRef: 'main',
    mergeable: true,
    mergeableState: 'clean',
    mergeCommitSha: null,
    closedBy: null,
    updatedAt: LONG_AGO.toISOString(),
    ...change,
  };
}

export function check(name: string, state: ForgeCheck['state'], change: Partial<ForgeCheck> = {}): ForgeCheck {
  return { name, source: 'check_run', state, required: false, url: null, summary: null, ...change };
}

export function review(state: ForgeReview['state'], change: Partial<ForgeReview> = {}): ForgeReview {
  const submittedAt = LONG_AGO.toISOString();
  return { author: 'ada', state, body: 'words', commitSha: HEAD, submittedAt, trusted: true, ...change };
}

/** Everything green. */
export function view(change: Partial<PullRequestView> = {}): PullRequestView {
  return {
    pullRequest: remote(),
    checks: { known: true, value: [check('test', 'success')] },
    reviews: { known: true, value: [] },
    missingRequired: { known: true, value: [] },
    ...change,
  };
}

/** A world in which nothing stands against the merge. */
export function snapshot(change: Partial<FollowSnapshot> = {}): FollowSnapshot {
  return {
    now: NOW,
    beganAt: NOW,
    random: 0.5,
    intervalMs: 30_000,
    pullRequest: row(),
    task: { state: 'pr_opened', intent: null, generation: 1, agentAtWork: false },
    rules: { autoMerge: true, mergeWithoutChecks: false, requiredApprovals: 0 },
    workspacePaused: false,
    merges: [],
    before: { checks: [], reviews: [] },
    hook: { lastDeliveryAt: null, missedAt: null },
    reading: { kind: 'read', view: view() },
    ...change,
  };
}
