import { createHash } from 'node:crypto';
import { EFFECT_TIMEOUT_MS, UserError } from '@capstan/domain';
import { retry } from '@octokit/plugin-retry';
import { throttling } from '@octokit/plugin-throttling';
import { Octokit } from '@octokit/rest';
import { ConditionalCache } from './conditional-cache.js';
import { GivenUp, githubFailure, githubWords, isHttpError, type Headers } from './failures.js';
import { WritePacer } from './write-pacer.js';

/** Responses kept per client: some six per open pull request. */
const CACHED_RESPONSES = 1_000;
const CACHED_CLIENTS = 200;
const READ_RETRIES = 2;
const READ_RETRY_BASE_MS = 200;
const PAGE_SIZE = 100;
const MAX_PAGES = 30;

type Rest = Octokit['rest'];
/** To be passed on as `request` of every call. */
export interface RequestOptions {
  readonly signal: AbortSignal;
}
export interface Page<T> {
  readonly data: T;
  readonly headers: { readonly link?: string | undefined };
}
/** GitHub's refusal of a write, for statuses that the caller expects. */
export interface Refusal {
  readonly status: number;
  readonly words: string;
}

/** An answer to a call that was made to see whether it is allowed. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** GitHub's own; empty when the call succeeded. */
  readonly words: string;
}

// The libraries would print each failed request; failures are thrown, and logged by whoever handles them.
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const CapstanOctokit = Octokit.plugin(throttling, retry);

export interface ClientOptions {
  /** How long one call may take with all its retries. */
  readonly timeoutMs: number;
  /** Called when GitHub doesn't know the token (any more). */
  readonly onRefused?: () => void;
}

/** One API root and one token. Reads are conditional; writes are paced, and never repeated. */
export class GitHubClient {
  readonly #octokit: Octokit;
  readonly #options: ClientOptions;

  /** @param token null asks without one. */
  constructor(apiUrl: string, token: string | null, options: ClientOptions) {
    this.#options = options;
    const pacer = new WritePacer();
    const limits = {
      id: digest(apiUrl, token ?? ''),
      // Limits are told to the caller, who knows what else there is to do meanwhile.
      onRateLimit: () => false,
      onSecondaryRateLimit: () => false,
      write: pacer,
      // Everything that notifies is a write as well, and was paced as one.
      notifications: new WritePacer(0),
    };
    this.#octokit = new CapstanOctokit({
      ...(token === null ? {} : { auth: token }),
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
    this.#makeConditional(new ConditionalCache(CACHED_RESPONSES));
  }

  /** Answers repeated reads from memory while the server says that nothing changed, and keeps writes from repeating. */
  #makeConditional(cache: ConditionalCache): void {
    this.#octokit.hook.wrap('request', async (request, options) => {
      if (options.method !== 'GET') {
        options.request = { ...options.request, retries: 0 };
        return request(options);
      }
      const address = this.#octokit.request.endpoint.parse(options).url;
      const known = cache.get(address);
      if (known) options.headers['if-none-match'] = known.etag;
      try {
        const response = await request(options);
        const { etag } = response.headers;
        if (etag) cache.set(address, { etag, headers: response.headers, data: response.data });
        return response;
      } catch (error) {
        if (!known || !isHttpError(error) || error.status !== 304) throw error;
        // The headers tell about the token too, whose scopes may have changed since.
        const headers = { ...known.headers, ...error.response?.headers } as typeof known.headers;
        return { status: 200, url: address, headers, data: known.data };
      }
    });
  }

  /**
   * Makes one call.
   * @param doing what is being done, for errors: `read …`, `open …`.
   */
  async call<T>(
    doing: string,
    signal: AbortSignal | undefined,
    action: (rest: Rest, request: RequestOptions) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.#bounded(signal, action);
    } catch (error) {
      this.#noteRefusal(error);
      throw githubFailure(error, doing, Date.now());
    }
  }

  /** Makes one write whose refusal with one of these statuses is an expected outcome. */
  async write<T>(
    doing: string,
    expected: readonly number[],
    signal: AbortSignal | undefined,
    action: (rest: Rest, request: RequestOptions) => Promise<T>,
  ): Promise<{ readonly value: T } | { readonly refusal: Refusal }> {
    try {
      return { value: await this.#bounded(signal, action) };
    } catch (error) {
      this.#noteRefusal(error);
      if (isHttpError(error) && error.response && expected.includes(error.status)) {
        return { refusal: { status: error.status, words: githubWords(error) } };
      }
      throw githubFailure(error, doing, Date.now());
    }
  }

  /**
   * Makes one call for what its answer says, whatever the status.
   * @throws TransientError where there is no answer, or one that is about a limit or a fault of GitHub's own.
   */
  async answer(
    doing: string,
    signal: AbortSignal | undefined,
    action: (rest: Rest, request: RequestOptions) => Promise<{ readonly status: number; readonly headers: Headers }>,
  ): Promise<Answer> {
    try {
      const { status, headers } = await this.#bounded(signal, action);
      return { status, headers, words: '' };
    } catch (error) {
      const failure = githubFailure(error, doing, Date.now());
      if (!(failure instanceof UserError) || !isHttpError(error) || !error.response) throw failure;
      return { status: error.status, headers: error.response.headers, words: githubWords(error) };
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
      if (!answer.headers.link?.includes('rel="next"')) return items;
    }
    throw new UserError(`could not ${doing}: there are more than ${MAX_PAGES * PAGE_SIZE} entries`, {
      code: 'too_much',
      status: 422,
    });
  }

  #noteRefusal(error: unknown): void {
    if (isHttpError(error) && error.response && error.status === 401) this.#options.onRefused?.();
  }

  /** The timeout counts from here, over pacing, queueing and retries: nothing leaves after it. */
  async #bounded<T>(
    signal: AbortSignal | undefined,
    action: (rest: Rest, request: RequestOptions) => Promise<T>,
  ): Promise<T> {
    const timeout = AbortSignal.timeout(this.#options.timeoutMs);
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
      // A request that was cut off is told as what it is, whatever the layers in between made of it.
      throw either.aborted && !(isHttpError(error) && error.response) ? givenUp(signal) : error;
    } finally {
      either.removeEventListener('abort', giveUp);
    }
  }
}

function givenUp(callers: AbortSignal | undefined): GivenUp {
  return new GivenUp(callers?.aborted ? 'the caller gave up' : 'no answer in time');
}

function digest(apiUrl: string, token: string): string {
  return createHash('sha256').update(`${apiUrl}\n${token}`).digest('hex');
}

/** The most recently used clients, so that limits and cached responses outlive a call. */
export class GitHubClients {
  readonly #clients = new Map<string, GitHubClient>();

  /** @param onRefused gets a token that GitHub doesn't know (any more). */
  constructor(
    private readonly timeoutMs = EFFECT_TIMEOUT_MS,
    private readonly onRefused: (token: string) => void = () => undefined,
  ) {}

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
    const onRefused = () => this.onRefused(token);
    const client = this.#clients.get(key) ?? new GitHubClient(root, token, { timeoutMs: this.timeoutMs, onRefused });
    this.#clients.delete(key);
    this.#clients.set(key, client);
    const [oldest] = this.#clients.keys();
    if (this.#clients.size > CACHED_CLIENTS && oldest !== undefined) this.#clients.delete(oldest);
    return client;
  }
}

/** `owner/name` in two parts. Throws UserError with the field `fullName`. */
export function ownerAndName(fullName: string): { readonly owner: string; readonly repo: string } {
  const match = /^([\w.-]+)\/([\w.-]+)$/.exec(fullName);
  if (match?.[1] && match[2]) return { owner: match[1], repo: match[2] };
  throw new UserError(`"${fullName}" is not of the form owner/name`, {
    code: 'repository_name_invalid',
    field: 'fullName',
    status: 422,
  });
}
