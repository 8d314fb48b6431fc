import { createHash } from 'node:crypto';
import { EFFECT_TIMEOUT_MS, UserError } from '@capstan/domain';
import { retry } from '@octokit/plugin-retry';
import { throttling } from '@octokit/plugin-throttling';
import { Octokit } from '@octokit/rest';
import { GivenUp, githubFailure, isHttpError } from './failures.js';
import { WritePacer } from './write-pacer.js';

const CACHED_CLIENTS = 200;
const READ_RETRIES = 2;
const READ_RETRY_BASE_MS = 200;
export const PAGE_SIZE = 100;
/** More entries than these pages hold are refused rather than cut. */
export const MAX_PAGES = 30;

type Rest = Octokit['rest'];
/** To be passed on as `request` of every call. */
export interface RequestOptions {
  readonly signal: AbortSignal;
}
interface Page<T> {
  readonly data: T;
  readonly headers: { readonly link?: string | undefined };
}

// The libraries would print each failed request; failures are thrown, and logged by whoever handles them.
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const CapstanOctokit = Octokit.plugin(throttling, retry);

/** One API root and one token. Writes are paced, and never repeated. */
export class GitHubClient {
  readonly #octokit: Octokit;
  readonly #timeoutMs: number;

  constructor(apiUrl: string, token: string, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    const limits = {
      id: `tickets ${digest(apiUrl, token)}`,
      // Limits are told to the caller, who knows what else there is to do meanwhile.
      onRateLimit: () => false,
      onSecondaryRateLimit: () => false,
      write: new WritePacer(),
      // Everything that notifies is a write as well, and was paced as one.
      notifications: new WritePacer(0),
    };
    this.#octokit = new CapstanOctokit({
      auth: token,
      baseUrl: apiUrl,
      userAgent: 'capstan',
      log: silent,
      request: { log: silent },
      retry: {
        retries: READ_RETRIES,
        retryAfterBaseValue: READ_RETRY_BASE_MS,
        doNotRetry: [400, 401, 403, 404, 405, 409, 410, 422, 429, 451],
      },
      // The plugin's type asks for Bottleneck's class; it uses `key` and `schedule` alone.
      throttle: limits as unknown as { enabled: false },
    });
    this.#octokit.hook.before('request', (options) => {
      if (options.method !== 'GET') options.request = { ...options.request, retries: 0 };
    });
  }

  /**
   * Makes one call.
   * @param doing what is being done, for errors: `read …`, `close …`.
   */
  async call<T>(
    doing: string,
    signal: AbortSignal | undefined,
    action: (rest: Rest, request: RequestOptions) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.#bounded(signal, action);
    } catch (error) {
      throw githubFailure(error, doing, Date.now());
    }
  }

  /** Makes one call that may end with a status that is an expected outcome: undefined then. */
  async callUnless<T>(
    status: number,
    doing: string,
    signal: AbortSignal | undefined,
    action: (rest: Rest, request: RequestOptions) => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await this.#bounded(signal, action);
    } catch (error) {
      if (isHttpError(error) && error.response && error.status === status) return undefined;
      throw githubFailure(error, doing, Date.now());
    }
  }

  /** Reads every page of a list. Throws UserError `too_much` rather than leave something out. */
  async pages<T>(
    doing: string,
    signal: AbortSignal | undefined,
    action: (
      rest: Rest,
      page: { per_page: number; page: number; request: RequestOptions },
    ) => Promise<Page<readonly T[]>>,
  ): Promise<readonly T[]> {
    const items: T[] = [];
    for (let page = 1; page <= MAX_PAGES; page += 1) {
      const answer = await this.call(doing, signal, (rest, request) =>
        action(rest, { per_page: PAGE_SIZE, page, request }),
      );
      items.push(...answer.data);
      if (!hasNext(answer.headers)) return items;
    }
    throw tooMuch(doing);
  }

  /** The timeout counts from here, over pacing, queueing and retries: nothing leaves after it. */
  async #bounded<T>(
    signal: AbortSignal | undefined,
    action: (rest: Rest, request: RequestOptions) => Promise<T>,
  ): Promise<T> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const either = signal ? AbortSignal.any([signal, timeout]) : timeout;
    if (either.aborted) throw givenUp(signal);
    // The plugins' queues don't listen to signals, so the wait is given up here; the request itself is stopped as well.
    let giveUp = () => {};
    const cutOff = new Promise<never>((_, reject) => {
      giveUp = () => reject(givenUp(signal));
    });
    either.addEventListener('abort', giveUp, { once: true });
    try {
      return await Promise.race([action(this.#octokit.rest, { signal: either }), cutOff]);
    } catch (error) {
      throw either.aborted && !(isHttpError(error) && error.response) ? givenUp(signal) : error;
    } finally {
      either.removeEventListener('abort', giveUp);
    }
  }
}

export function hasNext(headers: { readonly link?: string | undefined }): boolean {
  return headers.link?.includes('rel="next"') ?? false;
}

export function tooMuch(doing: string): UserError {
  return new UserError(`could not ${doing}: there are more than ${MAX_PAGES * PAGE_SIZE} entries`, {
    code: 'too_much',
    status: 422,
  });
}

function givenUp(callers: AbortSignal | undefined): GivenUp {
  return new GivenUp(callers?.aborted ? 'the caller gave up' : 'no answer in time');
}

function digest(apiUrl: string, token: string): string {
  return createHash('sha256').update(`${apiUrl}\n${token}`).digest('hex');
}

/** The most recently used clients, so that pacing outlives a call. */
export class GitHubClients {
  readonly #clients = new Map<string, GitHubClient>();
  readonly #timeoutMs: number;

  constructor(timeoutMs = EFFECT_TIMEOUT_MS) {
    this.#timeoutMs = timeoutMs;
  }

  /** Throws UserError `address_invalid` when the API root is no http(s) address. */
  client({ apiUrl, token }: { readonly apiUrl: string; readonly token: string }): GitHubClient {
    const root = apiUrl.replace(/\/+$/, '');
    if (!/^https?:\/\//.test(root) || !URL.canParse(root)) {
      throw new UserError(`"${apiUrl}" is not the address of an API`, {
        code: 'address_invalid',
        field: 'apiUrl',
        status: 422,
      });
    }
    const key = digest(root, token);
    const client = this.#clients.get(key) ?? new GitHubClient(root, token, this.#timeoutMs);
    this.#clients.delete(key);
    this.#clients.set(key, client);
    const [oldest] = this.#clients.keys();
    if (this.#clients.size > CACHED_CLIENTS && oldest !== undefined) this.#clients.delete(oldest);
    return client;
  }
}
