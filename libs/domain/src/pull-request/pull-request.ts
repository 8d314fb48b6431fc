/**
 * publishing: the branch is being checked and pushed · open: followed until somebody merges or closes it ·
 * refused: Capstan would not publish what the agent made (`refusal` says why).
 */
export const PULL_REQUEST_STATES = ['publishing', 'open', 'refused', 'merged', 'closed'] as const;
export type PullRequestState = (typeof PULL_REQUEST_STATES)[number];

/** What can't be read is `unknown`, and `unknown` never merges. */
export const CHECK_SUMMARIES = ['none', 'pending', 'green', 'red', 'unknown'] as const;
export type CheckSummary = (typeof CHECK_SUMMARIES)[number];

export const REVIEW_SUMMARIES = ['none', 'pending', 'approved', 'changes_requested', 'unknown'] as const;
export type ReviewSummary = (typeof REVIEW_SUMMARIES)[number];

export const MERGE_METHODS = ['merge', 'squash', 'rebase'] as const;
export type MergeMethod = (typeof MERGE_METHODS)[number];

/** Nothing merges unchecked before this long without any check, ms (DESIGN §6). */
export const NO_CHECKS_GRACE_MS = 120_000;
