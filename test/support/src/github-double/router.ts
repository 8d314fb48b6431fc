import type { AppRecord } from './apps/app-desk.js';
import { coversRepository } from './bodies/repository.js';
import type { PullIssue, IssueRecord, RepositoryRecord, TokenRecord } from './model.js';
import { GitHubProblem, notAccessible, notFound, requiresAuthentication } from './problem.js';
import type { World } from './world.js';
import type { WebhookSender } from './webhooks.js';

export interface Answer {
  readonly status: number;
  /** undefined: no body. A string is sent as it is, anything else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

type Handler = (call: Call) => Answer | Promise<Answer>;

export interface Route {
  readonly method: string;
  /** As in GitHub's OpenAPI, e.g. `/repos/{owner}/{repo}/issues/{issue_number}`. `{+name}` also takes slashes. */
  readonly template: string;
  readonly handle: Handler;
}

export const ok = (body: unknown, headers?: Readonly<Record<string, string>>): Answer => ({
  status: 200,
  body,
  ...(headers ? { headers } : {}),
});
export const created = (body: unknown): Answer => ({ status: 201, body });
export const noContent = (): Answer => ({ status: 204 });

/** One API request on its way to a route: its parts, and the checks that routes share. */
export class Call {
  constructor(
    readonly world: World,
    readonly hooks: WebhookSender,
    readonly token: TokenRecord | null,
    readonly url: URL,
    readonly params: Readonly<Record<string, string>>,
    readonly accept: string,
    private readonly json: unknown,
    /** The app that asks as itself. */
    readonly app: AppRecord | null = null,
  ) {}

  param(name: string): string {
    return this.params[name] ?? '';
  }

  /** A parameter that is a number. @throws GitHubProblem 404. */
  number(name: string): number {
    const text = this.param(name);
    if (!/^\d{1,12}$/.test(text)) throw notFound();
    return Number(text);
  }

  query(name: string): string | undefined {
    return this.url.searchParams.get(name) ?? undefined;
  }

  /** The body as an object; empty when there was none. */
  get body(): Readonly<Record<string, unknown>> {
    return typeof this.json === 'object' && this.json !== null && !Array.isArray(this.json)
      ? (this.json as Record<string, unknown>)
      : {};
  }

  /** The body as an array of strings, or that under `key`: some of GitHub's routes take both. */
  strings(key: string): string[] {
    const value = Array.isArray(this.json) ? (this.json as unknown[]) : this.body[key];
    if (!Array.isArray(value)) return [];
    return value.flatMap((entry: unknown) => {
      if (typeof entry === 'string') return [entry];
      const name = (entry as { name?: unknown } | null)?.name;
      return typeof name === 'string' ? [name] : [];
    });
  }

  /** A text of the body. @throws GitHubProblem 422 when it is something else. */
  text(key: string): string | undefined {
    const value = this.body[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'string')
      throw new GitHubProblem(422, `Invalid request.\n\nFor '${key}', ${JSON.stringify(value)} is not a string.`);
    return value;
  }

  /** One of a few words in the body. @throws GitHubProblem 422 when it is another. */
  word<T extends string>(key: string, allowed: readonly T[]): T | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    const known = allowed.find((word) => word === value);
    if (!known)
      throw new GitHubProblem(422, `Invalid request.\n\n${key}: "${value}" is not one of ${allowed.join(', ')}.`);
    return known;
  }

  /** Who asks. @throws GitHubProblem 401 without a token. */
  login(): string {
    if (!this.token) throw requiresAuthentication();
    return this.token.login;
  }

  /** The repository of the path, to read. @throws GitHubProblem 404 when it isn't there for this token. */
  readable(): RepositoryRecord {
    const repository = this.world.repository(`${this.param('owner')}/${this.param('repo')}`);
    if (repository.private && !(this.token && coversRepository(this.token, repository))) throw notFound();
    return repository;
  }

  /** The repository of the path, to write. @throws GitHubProblem 401, 403 or 404. */
  writable(): RepositoryRecord {
    const repository = this.readable();
    if (!this.token) throw requiresAuthentication();
    if (this.token.permissions !== 'write' || !coversRepository(this.token, repository)) throw notAccessible();
    return repository;
  }

  issue(repository: RepositoryRecord): IssueRecord {
    return this.world.issue(repository, this.number('issue_number'));
  }

  pull(repository: RepositoryRecord): PullIssue {
    return this.world.pull(repository, this.number('pull_number'));
  }

  /** The page that was asked for, with `Link` to the others; `wrap` puts it into an envelope. */
  page<T>(all: readonly T[], render: (item: T) => unknown, wrap?: (page: unknown[]) => unknown): Answer {
    const perPage = Math.min(100, Math.max(1, Number(this.query('per_page') ?? 30) || 30));
    const page = Math.max(1, Number(this.query('page') ?? 1) || 1);
    const last = Math.max(1, Math.ceil(all.length / perPage));
    const bodies = all.slice((page - 1) * perPage, page * perPage).map(render);
    const links: string[] = [];
    const link = (rel: string, number: number): void => {
      const url = new URL(`${this.world.apiUrl}${this.url.pathname}${this.url.search}`);
      url.searchParams.set('page', String(number));
      links.push(`<${url.href}>; rel="${rel}"`);
    };
    if (page > 1) link('prev', page - 1);
    if (page < last) link('next', page + 1);
    if (page < last) link('last', last);
    if (page > 1) link('first', 1);
    return ok(wrap ? wrap(bodies) : bodies, links.length ? { link: links.join(', ') } : {});
  }
}

export interface Match {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** Finds the route of a request by its path. */
export class Router {
  private readonly entries: { route: Route; pattern: RegExp; names: string[] }[];

  constructor(routes: readonly Route[]) {
    this.entries = routes.map((route) => {
      const names: string[] = [];
      const source = route.template.replace(/\{(\+?)(\w+)\}/g, (_all, plus: string, name: string) => {
        names.push(name);
        return plus ? '(.+?)' : '([^/]+)';
      });
      return { route, names, pattern: new RegExp(`^${source}$`) };
    });
  }

  find(method: string, path: string): Match | null {
    for (const { route, pattern, names } of this.entries) {
      const match = route.method === method ? pattern.exec(path) : null;
      if (!match) continue;
      try {
        const params = names.map((name, index) => [name, decodeURIComponent(match[index + 1] ?? '')] as const);
        return { route, params: Object.fromEntries(params) };
      } catch {
        return null; // not decodable: no such path
      }
    }
    return null;
  }
}
