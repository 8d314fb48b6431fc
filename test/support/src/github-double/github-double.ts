import { mkdir } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { openIssue } from './actions/issues.js';
import type { AppDesk } from './apps/app-desk.js';
import { appRoutes } from './apps/app-routes.js';
import type { FaultRule } from './faults.js';
import type { JournalEntry } from './journal.js';
import type { BranchRules, TokenRecord } from './model.js';
import { Person } from './person.js';
import { Router } from './router.js';
import { actionsRoutes } from './routes/actions.js';
import { accountRoutes } from './routes/account.js';
import { checkRoutes } from './routes/checks.js';
import { hookRoutes } from './routes/hooks.js';
import { issueRoutes } from './routes/issues.js';
import { pullRequestRoutes } from './routes/pull-requests.js';
import { repositoryRoutes } from './routes/repositories.js';
import { GitHubSchemas } from './schemas.js';
import { DoubleServer } from './server.js';
import { WebhookSender } from './webhooks.js';
import { World } from './world.js';
import type { PushEvent } from './world.js';

export interface GitHubDoubleOptions {
  /** Where the bare repositories go; made when missing, left behind by `close`. */
  readonly dir: string;
  /** Default: any free one. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Requests per person and hour. Default 5000. */
  readonly rateLimit?: number;
  /**
   * Default true: every body is checked against GitHub's OpenAPI; a wrong one is answered 500 with the faults and kept
   * in `faultsOfOurs`. False reads none of the descriptions.
   */
  readonly validate?: boolean;
  /** The clock of everything that it writes a time on, ms since the epoch. Default: the machine's. */
  readonly now?: () => number;
}

export interface TokenOptions extends Pick<TokenRecord, 'login' | 'grants' | 'scopes' | 'singleSignOnUrl'> {
  readonly permissions?: 'write' | 'read';
  readonly repositories?: readonly string[];
}

export interface GitHubDouble {
  /** Root of everything, e.g. `http://127.0.0.1:4123`; the API answers here too. */
  readonly url: string;
  /** `${url}/api/v3`, the root that answers' own links use. */
  readonly apiUrl: string;
  /** Defects of the double itself, such as bodies that GitHub's description refuses. A test may assert it is empty. */
  readonly faultsOfOurs: readonly string[];
  readonly journal: readonly JournalEntry[];
  createRepository(
    fullName: string,
    options: { files: Readonly<Record<string, string>>; defaultBranch?: string; private?: boolean },
  ): Promise<{ cloneUrl: string }>;
  /**
   * A token for REST and git. Without `repositories` it covers all; `permissions` are its owner's. With `grants` it is a
   * fine-grained one that has these permissions only, with `scopes` a classic one.
   */
  createToken(options: TokenOptions): string;
  /** What a person changes on the token's page at GitHub; the token stays the same. */
  changeToken(token: string, change: Omit<Partial<TokenOptions>, 'login'>): void;
  /** Subscribes with JSON bodies and sends the ping; answers the hook's id. */
  createWebhook(fullName: string, options: { url: string; secret?: string; events: readonly string[] }): number;
  /** Files an issue and answers its number. */
  createIssue(
    fullName: string,
    options: { title: string; body?: string; labels?: readonly string[]; author?: string },
  ): Promise<number>;
  /** Orders a fault; the answer takes it back. */
  inject(rule: FaultRule): () => void;
  /** Called for every ref that moved, by git, REST or a person. Answers the unsubscription. */
  onPush(listener: (event: PushEvent) => void): () => void;
  /** GitHub Apps: what their owners and the owners of accounts do with them. */
  readonly apps: AppDesk;
  /** Replaces the rules of a branch. */
  branchRules(fullName: string, branch: string, rules: BranchRules): void;
  actingAs(login: string): Person;
  /** Ends when every webhook that was caused so far has been delivered or given up. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a GitHub on real bare repositories. It is ready when the promise resolves; state lives as long as it does. */
export async function startGitHubDouble(options: GitHubDoubleOptions): Promise<GitHubDouble> {
  await mkdir(options.dir, { recursive: true });
  const world = new World(options.dir, options.now);
  const faultsOfOurs: string[] = [];
  const schemas = options.validate === false ? undefined : new GitHubSchemas();
  const hooks = new WebhookSender(world, async (event, action, payload) => {
    if (schemas) faultsOfOurs.push(...(await schemas.webhookFaults(event, action, payload)));
  });
  const router = new Router([
    ...accountRoutes,
    ...actionsRoutes,
    ...appRoutes,
    ...checkRoutes,
    ...hookRoutes,
    ...issueRoutes,
    ...pullRequestRoutes,
    ...repositoryRoutes,
  ]);
  const rateLimit = options.rateLimit ?? 5000;
  const http = new DoubleServer({ world, router, hooks, schemas, rateLimit, faultsOfOurs });
  const host = options.host ?? '127.0.0.1';
  await new Promise<void>((resolve, reject) => {
    http.server.once('error', reject);
    http.server.listen(options.port ?? 0, host, resolve);
  });
  world.url = `http://${host}:${(http.server.address() as AddressInfo).port}`;
  return new RunningDouble(world, hooks, http, faultsOfOurs);
}

/** The actions that a double's own helpers (its CI) need; not for tests. */
export class RunningDouble implements GitHubDouble {
  constructor(
    readonly world: World,
    private readonly hooks: WebhookSender,
    private readonly http: DoubleServer,
    readonly faultsOfOurs: readonly string[],
  ) {}

  get url(): string {
    return this.world.url;
  }

  get apps(): AppDesk {
    return this.world.apps;
  }

  get apiUrl(): string {
    return this.world.apiUrl;
  }

  get journal(): readonly JournalEntry[] {
    return this.world.journal;
  }

  async createRepository(
    fullName: string,
    options: { files: Readonly<Record<string, string>>; defaultBranch?: string; private?: boolean },
  ): Promise<{ cloneUrl: string }> {
    await this.world.addRepository(fullName, {
      files: options.files,
      defaultBranch: options.defaultBranch ?? 'main',
      private: options.private ?? false,
    });
    return { cloneUrl: `${this.url}/${fullName}.git` };
  }

  createToken({ permissions = 'write', repositories, ...rest }: TokenOptions): string {
    return this.world.addToken({ ...rest, permissions, repositories });
  }

  changeToken(token: string, change: Omit<Partial<TokenOptions>, 'login'>): void {
    const known = this.world.tokens.get(token);
    if (known === undefined) throw new Error('no such token');
    this.world.tokens.set(token, { ...known, ...change });
  }

  createWebhook(fullName: string, options: { url: string; secret?: string; events: readonly string[] }): number {
    const repository = this.world.repository(fullName);
    return this.hooks.createHook(repository, repository.owner, { ...options, contentType: 'json' }).id;
  }

  async createIssue(
    fullName: string,
    options: { title: string; body?: string; labels?: readonly string[]; author?: string },
  ): Promise<number> {
    const repository = this.world.repository(fullName);
    return openIssue(this.world, repository, options.author ?? repository.owner, options).number;
  }

  inject(rule: FaultRule): () => void {
    return this.world.faults.add(rule);
  }

  onPush(listener: (event: PushEvent) => void): () => void {
    this.world.pushListeners.add(listener);
    return () => this.world.pushListeners.delete(listener);
  }

  branchRules(fullName: string, branch: string, rules: BranchRules): void {
    this.world.repository(fullName).rules.set(branch, rules);
  }

  actingAs(login: string): Person {
    return new Person(this.world, login);
  }

  settled(): Promise<void> {
    return this.hooks.settled();
  }

  async close(): Promise<void> {
    await this.hooks.close();
    await this.http.close();
  }
}
