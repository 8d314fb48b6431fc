import { GitHubProblem } from './problem.js';

const WINDOW_SECONDS = 3600;
const nowSeconds = (): number => Math.floor(Date.now() / 1000);

interface Window {
  used: number;
  resetAt: number;
}

/** GitHub's primary limit: so many requests per person and hour. */
export class RateLimits {
  private readonly windows = new Map<string, Window>();

  constructor(private readonly limit: number) {}

  exhausted(login: string): boolean {
    return this.window(login).used >= this.limit;
  }

  count(login: string): void {
    this.window(login).used += 1;
  }

  headers(login: string): Record<string, string> {
    const { used, resetAt } = this.window(login);
    return {
      'x-ratelimit-limit': String(this.limit),
      'x-ratelimit-remaining': String(Math.max(0, this.limit - used)),
      'x-ratelimit-reset': String(resetAt),
      'x-ratelimit-used': String(used),
      'x-ratelimit-resource': 'core',
    };
  }

  /** Body of `GET /rate_limit`. */
  overview(login: string): Record<string, unknown> {
    const { used, resetAt } = this.window(login);
    const core = { limit: this.limit, used, remaining: Math.max(0, this.limit - used), reset: resetAt };
    const search = { limit: 30, used: 0, remaining: 30, reset: resetAt };
    return { resources: { core, search, graphql: { limit: 0, used: 0, remaining: 0, reset: resetAt } }, rate: core };
  }

  problem(userId: number): GitHubProblem {
    return new GitHubProblem(403, `API rate limit exceeded for user ID ${userId}.`);
  }

  private window(login: string): Window {
    const known = this.windows.get(login);
    if (known && known.resetAt > nowSeconds()) return known;
    const fresh = { used: 0, resetAt: nowSeconds() + WINDOW_SECONDS };
    this.windows.set(login, fresh);
    return fresh;
  }
}
