import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Database } from '@capstan/database';
import { UserError } from '@capstan/domain';
import type { Vault } from '@capstan/service-kit';
import type { LiveRun, LiveRuns } from '../admit/live-runs.js';
import type { Places } from '../admit/places.js';
import { unreachableHost, type Checked, type Reach } from '../address/reach.js';
import { urlHostPort } from '../forward/host-rule.js';
import { Connections } from '../model/call-upstream.js';
import type { Flow, Recorder } from '../record/recorder.js';
import { answerRefusal } from '../server/answers.js';
import type { Door } from '../server/door.js';
import { passedHeaders } from '../server/passed-headers.js';
import { isRefusal, type Refusal } from '../server/refusal.js';
import { askForge, readBody } from './ask-forge.js';
import { decideAnswer } from './forge-answer.decide.js';
import { decideAsk, decideRepository, type GitAsk } from './git-ask.decide.js';
import { MAX_BATCH_ANSWER_BYTES, MAX_BATCH_BYTES, isDownload, throughDoor } from './lfs-batch.js';
import { LfsTickets } from './lfs-ticket.js';
import { readFetched, type FetchedRepository } from './repository.snapshot.js';

export interface GitPorts {
  readonly database: Database;
  readonly vault: Vault;
  readonly runs: LiveRuns;
  readonly reach: Reach;
  readonly recorder: Recorder;
  readonly places: Places;
  readonly encryptionKey: string;
}

/** A fetch that is allowed. */
interface Fetching {
  readonly run: LiveRun;
  readonly repository: FetchedRepository;
  readonly ask: GitAsk;
  /** Of the asked repository at its forge. */
  readonly remote: URL;
  readonly signal: AbortSignal;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Whose words git's own requests and answers carry; all else of them is between git and the forge. */
const NOT_ASKED = ['authorization', 'cookie', 'host', 'expect'];
const NOT_ANSWERED = ['set-cookie', 'www-authenticate'];
/** How many repositories that were renamed at their forge are remembered. */
const MAX_MOVED = 1_000;

/**
 * `/git/OWNER/NAME.git`: fetches of the run's own repository over smart HTTP, and downloads of its LFS objects. The
 * forge's credential is added here. Nothing is pushed, and no other repository is read but, where that is allowed, those
 * of the same owner, which submodules are.
 */
export class GitDoor implements Door {
  readonly name = 'git';
  private readonly connections = new Connections();
  private readonly tickets: LfsTickets;
  /** Where a renamed repository is, by where it was: git asks twice in one fetch. */
  private readonly moved = new Map<string, URL>();

  constructor(private readonly ports: GitPorts) {
    this.tickets = new LfsTickets(ports.encryptionKey);
  }

  takes({ url = '' }: IncomingMessage): boolean {
    return url.startsWith('/git/');
  }

  close(): void {
    this.connections.close();
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      const refusal = await this.fetch(request, response, gone.signal);
      if (refusal !== null) answerRefusal(request, response, refusal);
    } catch (error) {
      if (gone.signal.aborted) response.destroy();
      else if (error instanceof UserError) answerRefusal(request, response, noCredential(error));
      else throw error;
    }
  }

  /** Answers, or tells why not. */
  private async fetch(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<Refusal | null> {
    const { runs, places } = this.ports;
    const run = await runs.admit(tokenOf(request));
    if (isRefusal(run)) return run.status === 407 ? { ...run, status: 403 } : run;
    const ask = decideAsk(request.method!, request.url!);
    const repository = await readFetched(this.ports, run);
    const own = new URL(repository.cloneUrl);
    if (isRefusal(ask)) return this.blocked(run, own, ask, request);
    const remote = decideRepository(ask.path, repository);
    if (isRefusal(remote)) return this.blocked(run, own, remote, request);
    const leave = places.take(run.id, () => response.destroy());
    if (leave === null) return this.blocked(run, own, TOO_MANY, request);
    response.once('close', leave);
    const fetching = { run, repository, ask, remote, signal, request, response };
    if (ask.kind === 'lfs-object') return this.passObject(fetching);
    return ask.kind === 'lfs-batch' ? this.passBatch(fetching) : this.passGit(fetching);
  }

  private async passGit({
    run,
    repository,
    ask,
    remote,
    signal,
    request,
    response,
  }: Fetching): Promise<Refusal | null> {
    const suffix = ask.kind === 'refs' ? '/info/refs?service=git-upload-pack' : '/git-upload-pack';
    const base = this.moved.get(remote.href) ?? remote;
    const opened = await this.open(run, base, request);
    if (isRefusal(opened)) return opened;
    const { checked, flow } = opened;
    const headers = ['Authorization', await repository.authorization(), ...askedHeaders(request)];
    const method = request.method!;
    const call = { method, headers, checked, connections: this.connections, signal, sent: flow.up };
    const body = method === 'POST' ? { body: request } : {};
    let url = new URL(base.href.replace(/\/$/, '') + suffix);
    try {
      for (let hop = 0; ; hop += 1) {
        const answer = await askForge({ ...call, ...body, url });
        const decided = decideAnswer(url, answer.statusCode!, answer.headers);
        if (decided.kind === 'pass') return pass(answer, response, flow);
        answer.resume();
        if (decided.kind === 'refuse') return decided.refusal;
        if (hop > 0) return MOVES_TWICE;
        url = decided.to;
        this.remember(remote, new URL(url.href.slice(0, url.href.indexOf('/info/refs'))));
      }
    } catch (error) {
      if (signal.aborted) throw error;
      return unreachableHost(checked, error);
    }
  }

  private async passBatch(fetching: Fetching): Promise<Refusal | null> {
    const { run, repository, ask, remote, signal, request, response } = fetching;
    const asked = await readBody(request, MAX_BATCH_BYTES);
    if (asked === null || !isDownload(asked)) return this.blocked(run, remote, ONLY_DOWNLOADS, request);
    const opened = await this.open(run, remote, request);
    if (isRefusal(opened)) return opened;
    const { checked, flow } = opened;
    const url = new URL(`${remote.href.replace(/\/$/, '').replace(/\.git$/, '')}.git/info/lfs/objects/batch`);
    const type = 'application/vnd.git-lfs+json';
    const headers = [
      ...['Authorization', await repository.authorization(), 'Accept', type, 'Content-Type', type],
      ...['Content-Length', String(Buffer.byteLength(asked))],
    ];
    let answer: IncomingMessage;
    try {
      const call = { connections: this.connections, signal, sent: flow.up, body: asked };
      answer = await askForge({ ...call, url, method: 'POST', headers, checked });
    } catch (error) {
      if (signal.aborted) throw error;
      return unreachableHost(checked, error);
    }
    const decided = decideAnswer(url, answer.statusCode!, answer.headers);
    const told = decided.kind === 'pass' ? await readBody(answer, MAX_BATCH_ANSWER_BYTES) : null;
    if (decided.kind !== 'pass') answer.resume();
    if (decided.kind === 'refuse') return decided.refusal;
    const text = throughDoor(told ?? '', {
      base: `http://${request.headers.host}/git/${ask.path}`,
      authorization: request.headers.authorization!,
      seal: (place) => this.tickets.seal({ runId: run.id, path: ask.path, ...place }),
    });
    if (text === null) return NOT_LFS;
    flow.down(Buffer.byteLength(told!));
    response.writeHead(200, { 'content-type': type });
    response.end(text);
    return null;
  }

  private async passObject({ run, ask, remote, signal, request, response }: Fetching): Promise<Refusal | null> {
    const place = this.tickets.open(ask.ticket!);
    if (place?.runId !== run.id || place.path !== ask.path) return this.blocked(run, remote, NO_TICKET, request);
    const url = new URL(place.href);
    const opened = await this.open(run, url, request, url.host === remote.host ? 'private' : 'public');
    if (isRefusal(opened)) return opened;
    const { checked, flow } = opened;
    const { range } = request.headers;
    const headers = [...Object.entries(place.header).flat(), ...(range === undefined ? [] : ['Range', range])];
    try {
      const call = { connections: this.connections, signal, sent: flow.up };
      const answer = await askForge({ ...call, url, method: 'GET', headers, checked });
      const decided = decideAnswer(url, answer.statusCode!, answer.headers);
      if (decided.kind === 'pass') return pass(answer, response, flow);
      answer.resume();
      return decided.kind === 'refuse' ? decided.refusal : NOT_LFS;
    } catch (error) {
      if (signal.aborted) throw error;
      return unreachableHost(checked, error);
    }
  }

  /** Where a host really is, recorded as reached or as blocked. A forge is an address that a person set: it may be in the house. */
  private async open(
    run: LiveRun,
    url: URL,
    request: IncomingMessage,
    trust: 'private' | 'public' = 'private',
  ): Promise<{ readonly checked: Checked; readonly flow: Flow } | Refusal> {
    const { reach, recorder } = this.ports;
    const checked = await reach.check(urlHostPort(url), trust);
    if (isRefusal(checked)) return this.blocked(run, url, checked, request);
    return { checked, flow: recorder.allowed(run, checked, request.headers['user-agent']) };
  }

  private blocked(run: LiveRun, url: URL, refusal: Refusal, request: IncomingMessage): Refusal {
    this.ports.recorder.blocked(run, urlHostPort(url), refusal.reason, request.headers['user-agent']);
    return refusal;
  }

  private remember(from: URL, to: URL): void {
    if (this.moved.size >= MAX_MOVED) this.moved.clear();
    this.moved.set(from.href, to);
  }
}

/** As it comes; what was cut off is cut off for the pod too, never a short answer. */
function pass(answer: IncomingMessage, response: ServerResponse, flow: Flow): Promise<null> {
  return new Promise((resolve) => {
    response.writeHead(answer.statusCode!, answer.statusMessage, passedHeaders(answer.rawHeaders, NOT_ANSWERED));
    answer.on('data', (chunk: Buffer) => flow.down(chunk.length));
    answer.pipe(response);
    answer.once('error', () => response.destroy());
    answer.once('close', () => {
      if (!answer.complete) response.destroy();
      resolve(null);
    });
  });
}

function askedHeaders({ rawHeaders, headers }: IncomingMessage): string[] {
  const passed = passedHeaders(rawHeaders, NOT_ASKED);
  return headers['transfer-encoding'] === undefined ? passed : [...passed, 'Transfer-Encoding', 'chunked'];
}

/** `Basic base64(user:token)`, as git sends it. */
function tokenOf({ headers }: IncomingMessage): string | undefined {
  const [, text] = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(headers.authorization ?? '') ?? [];
  return text === undefined ? undefined : Buffer.from(text, 'base64').toString('utf8').split(':').slice(1).join(':');
}

function noCredential({ message, remedy }: UserError): Refusal {
  return { reason: 'forge_refused', status: 403, words: [message, remedy].filter(Boolean).join('. ') };
}

const TOO_MANY: Refusal = {
  reason: 'too_many',
  status: 503,
  words: 'the run has too many connections open. Close some, and try again.',
  retryAfter: 1,
};
const ONLY_DOWNLOADS: Refusal = {
  reason: 'git_blocked',
  status: 403,
  words: 'objects of LFS are downloaded from here, and never uploaded.',
};
const NOT_LFS: Refusal = {
  reason: 'unreachable',
  status: 502,
  words:
    'the forge answered with something that is none of LFS. Check at the forge whether LFS is on for the repository.',
};
const NO_TICKET: Refusal = {
  reason: 'git_blocked',
  status: 403,
  words: 'the address of this object was not made for this run. Ask for a batch anew.',
};
const MOVES_TWICE: Refusal = {
  reason: 'forge_refused',
  status: 404,
  words: 'the repository was renamed more than once. Set its address anew in Capstan.',
};
