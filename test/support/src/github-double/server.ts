import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AppRecord } from './apps/app-desk.js';
import { appPage } from './apps/app-pages.js';
import type { FaultRule } from './faults.js';
import { GitDoor, gitRequestOf } from './git/door.js';
import type { TokenRecord } from './model.js';
import { htmlPage } from './pages.js';
import { assertPermitted, permissionHeaders } from './permissions.js';
import { badCredentials, GitHubProblem, notFound } from './problem.js';
import { RateLimits } from './rate-limits.js';
import { Call } from './router.js';
import type { Answer, Router } from './router.js';
import type { GitHubSchemas } from './schemas.js';
import type { WebhookSender } from './webhooks.js';
import type { World } from './world.js';

const MAX_BODY_BYTES = 10 * 1024 * 1024;

export interface ServerParts {
  readonly world: World;
  readonly router: Router;
  readonly hooks: WebhookSender;
  /** undefined: answers aren't validated. */
  readonly schemas: GitHubSchemas | undefined;
  readonly rateLimit: number;
  readonly faultsOfOurs: string[];
}

interface Access {
  readonly token: TokenRecord | null;
  readonly badToken: boolean;
  /** The app that proves itself with a JSON web token, or what GitHub says of the proof. */
  readonly app?: AppRecord | GitHubProblem;
}

/** The double's one HTTP server: git, the API under `/api/v3` and without it, and plain pages. */
export class DoubleServer {
  readonly server: Server;
  private readonly door: GitDoor;
  private readonly limits: RateLimits;

  constructor(private readonly parts: ServerParts) {
    this.door = new GitDoor(parts.world);
    this.limits = new RateLimits(parts.rateLimit);
    this.server = createServer((request, response) => {
      this.serve(request, response).catch((error: unknown) => {
        parts.faultsOfOurs.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
        if (!response.headersSent) response.writeHead(500, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ message: 'The GitHub double failed', errors: [String(error)] }));
      });
    });
  }

  async close(): Promise<void> {
    this.door.close();
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { world } = this.parts;
    const receivedAt = Date.now();
    const url = new URL(request.url ?? '/', world.url);
    url.pathname = url.pathname.replace(/^\/api\/v3(?=\/|$)/, '') || '/';
    const method = request.method ?? 'GET';
    const path = `${url.pathname}${url.search}`;
    const access = this.accessOf(request);
    const fault = world.faults.forRequest(method, path);
    const note = (status: number, body?: unknown): void => {
      const login = access.token?.login ?? null;
      const conditional = request.headers['if-none-match'] !== undefined;
      const entry = { kind: 'request' as const, at: Date.now(), receivedAt, method, path, status, login, conditional };
      world.journal.push(body === undefined ? entry : { ...entry, body });
    };
    if (fault?.delayMs) await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
    if (fault && !fault.afterExecution && isAnAnswer(fault)) {
      // Refused as it is, it is told what was asked: two that were refused may have been about different things.
      if (gitRequestOf(url)) request.resume();
      note(fault.status ?? 500, gitRequestOf(url) ? undefined : parse(await read(request)));
      return this.write(response, faultAnswer(fault));
    }
    const loseAnswer = fault?.afterExecution ?? false;
    const git = gitRequestOf(url);
    if (git) {
      note(await this.door.serve(git, request, response, { url, ...access, loseAnswer }));
      return;
    }
    const text = await read(request);
    const page = appPage(world, method, url, text);
    if (page) {
      note(page.status);
      return this.write(response, page);
    }
    const body = parse(text);
    const answer = await this.answer(request, { url, method, access, body });
    if (loseAnswer) {
      note(0, body);
      await held(request, fault?.holdAnswerMs ?? 0);
      request.socket.resetAndDestroy();
      return;
    }
    note(answer.status, body);
    this.write(response, answer);
  }

  /** The answer with its rate-limit headers, and 304 where the client has it already. */
  private async answer(
    request: IncomingMessage,
    asked: { url: URL; method: string; access: Access; body: unknown },
  ): Promise<Answer> {
    const { url, method, access } = asked;
    const { world, router } = this.parts;
    const match = router.find(method, url.pathname);
    if (!match && url.pathname !== '/rate_limit') {
      const page = method === 'GET' ? await htmlPage(world, url.pathname) : null;
      return page ?? problemAnswer(notFound());
    }
    if (access.app instanceof GitHubProblem) return problemAnswer(access.app);
    if (access.badToken) return problemAnswer(badCredentials());
    const who = access.token?.login ?? '';
    if (!match) return { status: 200, body: this.limits.overview(who), headers: this.limits.headers(who) };
    if (this.limits.exhausted(who))
      return problemAnswer(this.limits.problem(world.user(who).id), this.limits.headers(who));
    const app = access.app ?? null;
    const raw = await this.run(() => {
      const accept = request.headers.accept ?? '';
      assertPermitted(world, access.token, { method, template: match.route.template, params: match.params });
      if (asked.body === NOT_JSON) throw new GitHubProblem(400, 'Problems parsing JSON');
      return match.route.handle(
        new Call(world, this.parts.hooks, access.token, url, match.params, accept, asked.body, app),
      );
    });
    const answer = await this.validated(method, match.route.template, raw);
    const etag = method === 'GET' && answer.status === 200 ? etagOf(answer) : undefined;
    const unchanged = etag !== undefined && request.headers['if-none-match']?.replace(/^W\//, '') === etag.slice(2);
    // What didn't change isn't counted.
    if (!unchanged) this.limits.count(who);
    const headers = {
      ...permissionHeaders(access.token, { method, template: match.route.template, params: match.params }),
      ...answer.headers,
      ...this.limits.headers(who),
      ...(etag ? { etag } : {}),
    };
    return unchanged ? { status: 304, headers } : { ...answer, headers };
  }

  private async run(handle: () => Answer | Promise<Answer>): Promise<Answer> {
    try {
      return await handle();
    } catch (error) {
      if (error instanceof GitHubProblem) return problemAnswer(error);
      throw error;
    }
  }

  /** A body that GitHub's description refuses is a defect of the double, and loud. */
  private async validated(method: string, template: string, answer: Answer): Promise<Answer> {
    const { schemas, faultsOfOurs } = this.parts;
    if (!schemas || answer.status >= 400 || typeof answer.body === 'string') return answer;
    const faults = await schemas.answerFaults(method, template, answer.status, answer.body);
    if (faults.length === 0) return answer;
    faultsOfOurs.push(...faults);
    return { status: 500, body: { message: 'The GitHub double made a body that GitHub would not', errors: faults } };
  }

  private accessOf(request: IncomingMessage): Access {
    const given = tokenIn(request.headers.authorization);
    if (given === null) return { token: null, badToken: false };
    const { apps, tokens } = this.parts.world;
    if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(given)) return { token: null, badToken: false, app: proven(apps, given) };
    const token = tokens.get(given) ?? null;
    const isGood = token !== null && apps.isGood(token);
    return { token: isGood ? token : null, badToken: !isGood };
  }

  private write(response: ServerResponse, answer: Answer): void {
    const body = answer.body;
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
    response.writeHead(answer.status, {
      ...(body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
      'content-length': String(Buffer.byteLength(text)),
      date: new Date(this.parts.world.time()).toUTCString(),
      'x-github-media-type': 'github.v3; format=json',
      'x-github-request-id': createHash('sha1').update(String(Math.random())).digest('hex').slice(0, 16),
      ...answer.headers,
    });
    response.end(text);
  }
}

/** Resolves after a while, or when the client has given up. */
function held({ socket }: IncomingMessage, ms: number): Promise<void> {
  if (ms === 0 || socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    socket.once('close', () => (clearTimeout(timer), resolve()));
  });
}

function proven(apps: World['apps'], jwt: string): AppRecord | GitHubProblem {
  try {
    return apps.recognise(jwt);
  } catch (error) {
    if (error instanceof GitHubProblem) return error;
    throw error;
  }
}

const NOT_JSON = Symbol('not JSON');

function parse(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return NOT_JSON;
  }
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Error(`a request of more than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The token of a `Bearer`, `token` or `Basic` header; git sends it as the password, some as the user. */
function tokenIn(authorization: string | undefined): string | null {
  const [scheme = '', value = ''] = (authorization ?? '').split(' ');
  if (!value) return null;
  if (scheme.toLowerCase() !== 'basic') return value;
  const [user = '', ...password] = Buffer.from(value, 'base64').toString('utf8').split(':');
  const secret = password.join(':');
  return secret === '' || secret === 'x-oauth-basic' ? user : secret;
}

function etagOf(answer: Answer): string {
  const hash = createHash('sha256').update(JSON.stringify([answer.body, answer.headers?.['link'] ?? '']));
  return `W/"${hash.digest('hex')}"`;
}

function problemAnswer(problem: GitHubProblem, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status: problem.status, body: problem.body(), headers: { ...headers, ...problem.headers } };
}

const isAnAnswer = (fault: FaultRule): boolean =>
  fault.status !== undefined || fault.body !== undefined || fault.message !== undefined;

function faultAnswer(fault: FaultRule): Answer {
  const body = fault.body ?? {
    message: fault.message ?? 'Server Error',
    documentation_url: 'https://docs.github.com/rest',
  };
  return { status: fault.status ?? 500, body, headers: fault.headers ?? {} };
}
