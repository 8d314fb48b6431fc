import type { ForgeAppCredential, ForgeCredential, ForgePurpose, MergeMethod } from '@capstan/domain';

/** How to reach one repository at its forge. */
export interface ForgeConnection {
  /** `owner/name`. */
  readonly fullName: string;
  /** API root, e.g. `https://api.github.com`. */
  readonly apiUrl: string;
  /** Clone URL without credentials. */
  readonly cloneUrl: string;
  readonly token: string;
  /** Apps that are Capstan itself: what they report on a commit is no check of it. */
  readonly ownAppIds?: readonly number[];
}

/** Whose token is wanted, and for what. */
export interface TokenRequest {
  readonly fullName: string;
  readonly apiUrl: string;
  readonly credential: ForgeCredential;
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

/** What Capstan is to do with a repository besides publishing work: each wants permissions of its own. */
export interface ForgeUses {
  /** Issues of the repository become tasks, are reported on and closed. */
  readonly tickets: boolean;
  /** Changes of the forge's workflow files may be published. */
  readonly workflows: boolean;
}

/** A permission that Capstan needs, in the forge's own words. */
export interface ForgeNeed {
  /** As the forge's page for tokens calls it, e.g. `Pull requests: Read and write`. */
  readonly permission: string;
  readonly neededFor: string;
  /** Without it no task gets as far as an open pull request. */
  readonly required: boolean;
  /** False: the forge has no such permission for tokens of the sort that it recommends to people. */
  readonly grantable: boolean;
}

/** What a call showed about a permission. */
export interface ForgePermission extends ForgeNeed {
  /** `unknown`: no harmless call shows it, or there was no answer that says it. */
  readonly state: 'ok' | 'missing' | 'unknown';
  /** What the forge said, in its own words; null where it is ok. */
  readonly words: string | null;
  /** What helps; null where it is ok. */
  readonly remedy: string | null;
}

export interface ForgeAccess {
  readonly tokenKind: 'fine-grained' | 'classic' | 'other';
  readonly permissions: readonly ForgePermission[];
}

/** How a person comes by a token: what it needs, and the forge's page that makes one. */
export interface ForgeTokenGuide {
  readonly needs: readonly ForgeNeed[];
  /** Filled in as far as the forge takes it; the name of the repository is part of it once it is known. */
  readonly newTokenUrl: string;
  /** Where the tokens are listed and changed. */
  readonly tokensUrl: string;
}

/** A value, or why it can't be read. What can't be read never merges. */
export type Readable<T> =
  { readonly known: true; readonly value: T } | { readonly known: false; readonly reason: string };

export interface PullRequestView {
  readonly pullRequest: ForgePullRequest;
  /**
   * Where a token may read jobs of the forge's own CI and no other checks, these and, pending, what else the forge waits
   * for. `required` is false throughout while `missingRequired` is not known.
   */
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
  /**
   * What requests for this purpose are made with: a person's token as it is, of an app a token for this repository and
   * this purpose alone, good for at least five minutes. Ask each time; it is kept while it is good. Throws UserError
   * `app_not_installed`, `app_suspended`, `app_permission_missing`, `app_key_refused`, and TransientError
   * `app_clock_skewed` besides those of a read.
   */
  token(request: TokenRequest, purpose: ForgePurpose): Promise<string>;
  /** The remote refused a token (git over HTTP, another API): the next one who asks for its purpose gets a new one. */
  refused(token: string): void;
  readonly apps: ForgeApps;
  /**
   * Tests each permission that Capstan needs by a call that changes nothing. `ok` means that what needs it works with
   * this token now, `missing` that the forge refuses it. Throws as `repository` does where not even that can be read.
   * `cloneUrl` is asked too: pass the one that the forge gave, once it is trusted.
   */
  checkAccess(connection: ForgeConnection, uses: ForgeUses, signal?: AbortSignal): Promise<ForgeAccess>;
  /** Asks nobody. Throws UserError `address_invalid`. */
  tokenGuide(where: { readonly apiUrl: string; readonly fullName: string | null }, uses: ForgeUses): ForgeTokenGuide;
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
  /** The report of the connection's own apps on a commit that carries the marker, else null. */
  findReport(
    connection: ForgeConnection,
    sha: string,
    marker: string,
    signal?: AbortSignal,
  ): Promise<{ readonly id: string } | null>;
  /** Puts a report on a commit that blocks nothing and approves nothing. Only an app's token may. */
  report(connection: ForgeConnection, report: CommitReport, signal?: AbortSignal): Promise<{ readonly id: string }>;
  /** Constant time. `body` is exactly what arrived. */
  verifyDelivery(secret: string, headers: Readonly<Record<string, string | undefined>>, body: Uint8Array): boolean;
  /** What a verified delivery is about; never throws on unknown shapes. */
  readDelivery(headers: Readonly<Record<string, string | undefined>>, body: Uint8Array): ForgeDelivery;
}

export interface CommitReport {
  readonly sha: string;
  readonly name: string;
  readonly title: string;
  /** Markdown. */
  readonly summary: string;
  /** Where it leads. */
  readonly url: string;
  /** By which it is found again. */
  readonly marker: string;
}

/** Apps: how Capstan is registered at a forge, instead of acting as a person. */
export interface ForgeApps {
  /** The permissions that Capstan needs, as the forge's page for apps calls them. */
  readonly needs: readonly string[];
  /** What a browser sends to the forge, where its person confirms it; the forge sends it back with a code. */
  form(request: ForgeAppRequest): ForgeAppForm;
  /** Exchanges the code for the app; once. Throws UserError `app_code_refused`. */
  register(apiUrl: string, code: string): Promise<ForgeAppRegistration>;
  /** Where people choose the repositories that an app is for. */
  installationUrl(app: { readonly apiUrl: string; readonly slug: string }): string;
  installations(app: ForgeAppCredential): Promise<readonly ForgeInstallation[]>;
  /** Looks whether the app may do all that Capstan needs in a repository; errors as those of `token`. */
  assertReady(app: ForgeAppCredential, fullName: string): Promise<void>;
  /** What the app proves itself with, for some minutes. Throws UserError `app_key_refused`. */
  proof(app: ForgeAppCredential): string;
}

export interface ForgeAppRequest {
  readonly apiUrl: string;
  /** At most 34 characters; the person may change it. */
  readonly name: string;
  readonly homeUrl: string;
  /** Where the forge sends the browser back to: with `code` and `state`, later with `installation_id`. */
  readonly returnUrl: string;
  /** Where deliveries go; null where the forge can't reach it. */
  readonly hookUrl: string | null;
  /** Null: the app belongs to the person. */
  readonly organization: string | null;
  readonly state: string;
}

/** A form to be posted by a browser. */
export interface ForgeAppForm {
  readonly action: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** A new app. Holds what is secret. */
export interface ForgeAppRegistration {
  readonly appId: number;
  readonly slug: string;
  readonly name: string;
  /** Login. */
  readonly owner: string;
  readonly url: string;
  readonly privateKey: string;
  readonly webhookSecret: string | null;
}

export interface ForgeInstallation {
  /** Login of the person or organisation. */
  readonly account: string;
  readonly allRepositories: boolean;
  readonly suspended: boolean;
  /** Permissions that Capstan needs and doesn't have there, as the forge calls them. */
  readonly missing: readonly string[];
  readonly settingsUrl: string;
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
