import type { InstallationRecord } from './apps/app-desk.js';
import type { BareRepository } from './git/bare-repository.js';

export interface UserRecord {
  readonly id: number;
  readonly login: string;
}

export interface TokenRecord {
  readonly token: string;
  readonly login: string;
  readonly permissions: 'read' | 'write';
  /** Full names; undefined means every repository. */
  readonly repositories: readonly string[] | undefined;
  /** A fine-grained token: its repository permissions, by the names of GitHub's API. Without it: all of them. */
  readonly grants?: Readonly<Record<string, 'read' | 'write'>>;
  /** A classic token: its scopes. */
  readonly scopes?: readonly string[];
  /** The organisation wants single sign-on, which this token wasn't authorised for: where that is done. */
  readonly singleSignOnUrl?: string;
  /** An app's token: the installation that it is of, and until when, Unix ms. */
  readonly installation?: InstallationRecord;
  readonly expiresAt?: number;
}

export interface LabelRecord {
  readonly id: number;
  readonly name: string;
  color: string;
  description: string | null;
}

export interface IssueEventRecord {
  readonly id: number;
  readonly event: 'closed' | 'reopened' | 'labeled' | 'unlabeled' | 'merged' | 'renamed';
  readonly actor: string;
  readonly createdAt: string;
  readonly label?: string;
  readonly commitId?: string;
  readonly stateReason?: string | null;
  readonly rename?: { readonly from: string; readonly to: string };
}

export interface CommentRecord {
  readonly id: number;
  readonly issueNumber: number;
  readonly author: string;
  body: string;
  readonly createdAt: string;
  updatedAt: string;
}

export type ReviewState = 'APPROVED' | 'CHANGES_REQUESTED' | 'COMMENTED' | 'DISMISSED';

export interface ReviewRecord {
  readonly id: number;
  readonly author: string;
  body: string;
  state: ReviewState;
  readonly commitId: string;
  readonly submittedAt: string;
}

/** What an issue number has in addition when it is a pull request. */
export interface PullRecord {
  readonly headRef: string;
  headSha: string;
  baseRef: string;
  /** Tip of the base when the pull request was opened, last pushed to, or merged. */
  baseSha: string;
  draft: boolean;
  mergedAt: string | null;
  mergedBy: string | null;
  mergeCommitSha: string | null;
  readonly reviews: ReviewRecord[];
  /** `head base` that the mergeability was computed for; a read for any other pair answers "unknown" first. */
  computedFor: string | null;
}

export interface IssueRecord {
  readonly id: number;
  readonly number: number;
  title: string;
  body: string | null;
  state: 'open' | 'closed';
  stateReason: 'completed' | 'not_planned' | 'duplicate' | 'reopened' | null;
  readonly author: string;
  labels: string[];
  assignees: string[];
  readonly createdAt: string;
  updatedAt: string;
  closedAt: string | null;
  closedBy: string | null;
  readonly events: IssueEventRecord[];
  readonly pull?: PullRecord;
}

export type PullIssue = IssueRecord & { readonly pull: PullRecord };

export type CheckConclusion =
  'success' | 'failure' | 'neutral' | 'cancelled' | 'skipped' | 'timed_out' | 'action_required' | 'stale';

export interface CheckRunRecord {
  readonly id: number;
  readonly suiteId: number;
  /** The app that reported it; null for the machine that the double's CI is. */
  readonly appId: number | null;
  readonly name: string;
  readonly headSha: string;
  status: 'queued' | 'in_progress' | 'completed';
  conclusion: CheckConclusion | null;
  startedAt: string | null;
  completedAt: string | null;
  detailsUrl: string | null;
  externalId: string;
  output: { title: string | null; summary: string | null; text: string | null };
}

export interface StatusRecord {
  readonly id: number;
  readonly sha: string;
  readonly state: 'error' | 'failure' | 'pending' | 'success';
  readonly context: string;
  readonly description: string | null;
  readonly targetUrl: string | null;
  readonly creator: string;
  readonly createdAt: string;
}

export interface BranchRules {
  /** Names of checks or status contexts that must have succeeded on the head. */
  readonly requiredChecks?: readonly string[];
  readonly requiredApprovals?: number;
  /** The head must contain the base's tip; else the pull request is `behind`. */
  readonly requireUpToDate?: boolean;
}

export interface HookRecord {
  readonly id: number;
  url: string;
  secret: string | undefined;
  contentType: 'json' | 'form';
  events: string[];
  active: boolean;
  readonly createdAt: string;
  updatedAt: string;
  readonly deliveries: DeliveryRecord[];
}

export interface DeliveryRecord {
  readonly id: number;
  readonly guid: string;
  readonly event: string;
  readonly action: string | null;
  readonly deliveredAt: string;
  readonly redelivery: boolean;
  durationSeconds: number;
  status: string;
  statusCode: number;
  readonly requestHeaders: Readonly<Record<string, string>>;
  readonly payload: Record<string, unknown>;
  responseBody: string;
}

export interface RepositoryRecord {
  readonly id: number;
  readonly owner: string;
  readonly name: string;
  readonly fullName: string;
  readonly private: boolean;
  readonly defaultBranch: string;
  readonly git: BareRepository;
  readonly createdAt: string;
  pushedAt: string;
  nextNumber: number;
  readonly labels: Map<string, LabelRecord>;
  readonly issues: Map<number, IssueRecord>;
  readonly comments: Map<number, CommentRecord>;
  readonly suites: Map<string, number>;
  readonly checkRuns: CheckRunRecord[];
  readonly statuses: StatusRecord[];
  readonly hooks: Map<number, HookRecord>;
  readonly rules: Map<string, BranchRules>;
}
