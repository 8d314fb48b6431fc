import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { AppDesk } from './apps/app-desk.js';
import { FaultBook } from './faults.js';
import { BareRepository } from './git/bare-repository.js';
import type { JournalEntry } from './journal.js';
import type { IssueRecord, PullIssue, RepositoryRecord, TokenRecord, UserRecord } from './model.js';
import { notFound } from './problem.js';

export interface PushEvent {
  readonly fullName: string;
  readonly ref: string;
  readonly before: string;
  readonly after: string;
}

export interface WebhookEvent {
  readonly repository: RepositoryRecord;
  readonly event: string;
  readonly action: string | null;
  readonly sender: string;
  /** Everything but `repository` and `sender`. */
  readonly payload: Record<string, unknown>;
}

/** All state of one double. Actions change it, bodies render it, routes and persons reach it through actions. */
export class World {
  /** Set once the server listens. */
  url = '';
  readonly repositories = new Map<string, RepositoryRecord>();
  readonly tokens = new Map<string, TokenRecord>();
  readonly journal: JournalEntry[] = [];
  readonly faults = new FaultBook();
  readonly apps = new AppDesk(this);
  readonly pushListeners = new Set<(event: PushEvent) => void>();
  /** Set by the webhook sender; called for every event whether anybody subscribed or not. */
  deliver: (event: WebhookEvent) => void = () => undefined;
  private readonly users = new Map<string, UserRecord>();
  private lastId = 1000;

  constructor(
    readonly dir: string,
    private readonly clock: () => number = Date.now,
  ) {}

  get apiUrl(): string {
    return `${this.url}/api/v3`;
  }

  /** Unix ms. */
  time(): number {
    return this.clock();
  }

  /** The time as GitHub writes it: whole seconds, UTC. */
  now(): string {
    return new Date(this.clock()).toISOString().replace(/\.\d+Z$/, 'Z');
  }

  nextId(): number {
    this.lastId += 1;
    return this.lastId;
  }

  /** Everybody exists: a login that was never heard of is created. */
  user(login: string): UserRecord {
    const known = this.users.get(login);
    if (known) return known;
    const created = { id: this.nextId(), login };
    this.users.set(login, created);
    return created;
  }

  addToken(options: Omit<TokenRecord, 'token'>): string {
    const token = `${options.scopes === undefined ? 'github_pat_' : 'ghp_'}${randomBytes(20).toString('hex')}`;
    this.user(options.login);
    this.tokens.set(token, { token, ...options });
    return token;
  }

  async addRepository(
    fullName: string,
    options: { files: Readonly<Record<string, string>>; defaultBranch: string; private: boolean },
  ): Promise<RepositoryRecord> {
    const [owner, name, rest] = fullName.split('/');
    if (!owner || !name || rest !== undefined) throw new Error(`"${fullName}" is not owner/name`);
    if (this.repositories.has(fullName.toLowerCase())) throw new Error(`${fullName} is there already`);
    const git = new BareRepository(join(this.dir, 'repositories', owner, `${name}.git`));
    await git.initialize(options.defaultBranch);
    await git.commitFiles(options.defaultBranch, options.files, {
      message: 'Initial commit',
      author: { name: owner, email: `${owner}@users.noreply.github.com` },
    });
    const now = this.now();
    const repository: RepositoryRecord = {
      id: this.nextId(),
      owner,
      name,
      fullName,
      private: options.private,
      defaultBranch: options.defaultBranch,
      git,
      createdAt: now,
      pushedAt: now,
      nextNumber: 1,
      labels: new Map(),
      issues: new Map(),
      comments: new Map(),
      suites: new Map(),
      checkRuns: [],
      statuses: [],
      hooks: new Map(),
      rules: new Map(),
    };
    this.user(owner);
    this.repositories.set(fullName.toLowerCase(), repository);
    return repository;
  }

  /** @throws GitHubProblem 404. */
  repository(fullName: string): RepositoryRecord {
    const repository = this.repositories.get(fullName.toLowerCase());
    if (!repository) throw notFound();
    return repository;
  }

  /** An issue or pull request. @throws GitHubProblem 404. */
  issue(repository: RepositoryRecord, number: number): IssueRecord {
    const issue = repository.issues.get(number);
    if (!issue) throw notFound();
    return issue;
  }

  /** @throws GitHubProblem 404. */
  pull(repository: RepositoryRecord, number: number): PullIssue {
    const issue = this.issue(repository, number);
    if (!isPull(issue)) throw notFound();
    return issue;
  }

  pulls(repository: RepositoryRecord): PullIssue[] {
    return [...repository.issues.values()].filter(isPull);
  }
}

export function isPull(issue: IssueRecord): issue is PullIssue {
  return issue.pull !== undefined;
}
