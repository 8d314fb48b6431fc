import type { MergeMethod } from '@capstan/domain';

/** How to reach one repository at its forge. */
export interface ForgeConnection {
  /** `owner/name`. */
  readonly fullName: string;
  /** API root, e.g. `https://api.github.com`. */
  readonly apiUrl: string;
  /** Clone URL without credentials. */
  readonly cloneUrl: string;
  readonly token: string;
}

export interface ForgeRepository {
  readonly fullName: string;
  readonly defaultBranch: string;
  readonly cloneUrl: string;
  readonly private: boolean;
  /** What the token may do, as far as the forge says. */
  readonly canPush: boolean;
}

export interface ForgePullRequest {
  readonly number: number;
  readonly url: string;
  readonly state: 'open' | 'closed';
  readonly merged: boolean;
  readonly draft: boolean;
  readonly headSha: string;
  readonly headRef: string;
  readonly baseRef: string;
  /** null while the forge computes it. */
  readonly mergeable: boolean | null;
  /** The forge's own word: clean, blocked, behind, dirty, unstable, draft, unknown. */
  readonly mergeableState: string;
  readonly mergeCommitSha: string | null;
  readonly closedBy: string | null;
  /**
   * By the forge's clock, which may count whole seconds only. Rises with a push, a review, a comment, a label, a close,
   * a reopening and the merge; not with checks, and not when the base moves.
   */
  readonly updatedAt: string;
}

/** Name and source together are unique in a view: reports of equal name are folded into the worst that counts. */
export interface ForgeCheck {
  readonly name: string;
  readonly source: 'check_run' | 'status';
  readonly state: 'pending' | 'success' | 'failure' | 'neutral' | 'skipped';
  readonly required: boolean;
  readonly url: string | null;
  /** End of its output, at most 4 KB, for the agent to read. */
  readonly summary: string | null;
}

export interface ForgeReview {
  readonly author: string;
  readonly state: 'approved' | 'changes_requested' | 'commented' | 'dismissed';
  readonly body: string;
  readonly commitSha: string | null;
  readonly submittedAt: string;
  /**
   * True when the author has a say in the repository (owner, member, collaborator). Reviews of others are to be shown,
   * and should neither approve nor send an agent back in.
   */
  readonly trusted?: boolean;
}

/** A value, or why it can't be read. What can't be read never merges. */
export type Readable<T> =
  { readonly known: true; readonly value: T } | { readonly known: false; readonly reason: string };

export interface PullRequestView {
  readonly pullRequest: ForgePullRequest;
  /** `required` is false throughout while `missingRequired` is not known. */
  readonly checks: Readable<readonly ForgeCheck[]>;
  /** Of each author the latest that counts: approvals, refusals and dismissals stand above later comments. */
  readonly reviews: Readable<readonly ForgeReview[]>;
  /** Names of required checks that have not reported on the head. */
  readonly missingRequired: Readable<readonly string[]>;
}

/** Result of a guarded write. `stale`: the guard refused because the remote is no longer what was judged. */
export type WriteResult<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'stale'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Where code lives. Reads use conditional requests, and may be repeated shortly; writes are sent at most once, and none
 * leaves later than the timeout of 10 s after the call or after `signal` aborts. Every method throws `TransientError`
 * (with `retryAfterMs` where the forge gave one) for what may pass, and `UserError` with code `credential_refused`,
 * `remote_not_found`, `permission_missing` or `forge_refused` for what won't.
 */
export interface Forge {
  readonly name: string;
  /** Looks a repository up with the token; for adding one. */
  repository(connection: ForgeConnection): Promise<ForgeRepository>;
  /** Value of an `Authorization` header for git over HTTP. */
  gitAuthorization(connection: ForgeConnection): string;
  /** The pull request and everything that was said about its head: some six reads. */
  view(connection: ForgeConnection, number: number, signal?: AbortSignal): Promise<PullRequestView>;
  /** The pull request alone, in one read. Of a closed one `closedBy` may be null although the view knows it. */
  glance(connection: ForgeConnection, number: number, signal?: AbortSignal): Promise<ForgePullRequest>;
  /** Pull requests in any state whose head is this branch, newest first. */
  findByHead(connection: ForgeConnection, branch: string, signal?: AbortSignal): Promise<readonly ForgePullRequest[]>;
  open(
    connection: ForgeConnection,
    request: {
      readonly title: string;
      readonly body: string;
      readonly head: string;
      readonly base: string;
      readonly draft: boolean;
    },
    signal?: AbortSignal,
  ): Promise<WriteResult<ForgePullRequest>>;
  /** Merges only while the head is `sha`. */
  merge(
    connection: ForgeConnection,
    number: number,
    request: { readonly sha: string; readonly method: MergeMethod; readonly title?: string },
    signal?: AbortSignal,
  ): Promise<WriteResult<{ readonly mergeCommitSha: string }>>;
  /** Idempotent. */
  close(connection: ForgeConnection, number: number, signal?: AbortSignal): Promise<void>;
  /** The oldest comment that contains the marker, else null. */
  findComment(
    connection: ForgeConnection,
    number: number,
    marker: string,
    signal?: AbortSignal,
  ): Promise<{ readonly id: string } | null>;
  comment(
    connection: ForgeConnection,
    number: number,
    body: string,
    signal?: AbortSignal,
  ): Promise<{ readonly id: string }>;
  /** Idempotent. */
  deleteComment(connection: ForgeConnection, id: string, signal?: AbortSignal): Promise<void>;
  /** Constant time. `body` is exactly what arrived. */
  verifyDelivery(secret: string, headers: Readonly<Record<string, string | undefined>>, body: Uint8Array): boolean;
  /** What a verified delivery is about; never throws on unknown shapes. */
  readDelivery(headers: Readonly<Record<string, string | undefined>>, body: Uint8Array): ForgeDelivery;
}

export interface ForgeDelivery {
  /** The forge's own id of the delivery; undefined when it sent none. */
  readonly id?: string;
  readonly event: string;
  readonly action?: string;
  readonly fullName?: string;
  /** Pull request numbers and branches that it touches. */
  readonly pullRequests: readonly number[];
  readonly branches: readonly string[];
  /** Issue that it touches, when it isn't a pull request. */
  readonly issue?: number;
}
