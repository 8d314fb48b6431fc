import type { IncomingMessage, ServerResponse } from 'node:http';
import { credentialsFor } from '@capstan/agents';
import type { Database } from '@capstan/database';
import { TransientError, errorText } from '@capstan/domain';
import type { Counter, Logger, Metrics, Vault } from '@capstan/service-kit';
import type { LiveRun, LiveRuns } from '../admit/live-runs.js';
import type { Places } from '../admit/places.js';
import type { Checked, Reach } from '../address/reach.js';
import { urlHostPort } from '../forward/host-rule.js';
import type { Recorder } from '../record/recorder.js';
import type { Door } from '../server/door.js';
import { passedHeaders } from '../server/passed-headers.js';
import { isRefusal, type Refusal } from '../server/refusal.js';
import { passAnswer, passHeld, refuseCall } from './answer-call.js';
import { checkBudget } from './budget.js';
import { Connections } from './call-upstream.js';
import { exchange, type Attempt, type Exchanged } from './exchange.js';
import type { ModelKey } from './keys/keys.decide.js';
import { LogInKeys } from './keys/log-in-keys.js';
import { ModelKeys } from './keys/model-keys.js';
import {
  BODY_TOO_LONG,
  PATH_BLOCKED,
  TOO_MANY,
  UNAVAILABLE,
  noKey,
  providerBlocked,
  unadmitted,
} from './model-refusals.js';
import type { Provider, ProviderName, Providers } from './provider.js';
import { renamedCall } from './renamed-call.js';
import { KeptBytes, RequestBody } from './request-body.js';
import { askedModel, namedModel, priceOf } from './usage/priced-model.js';
import { upstreamUrl } from './upstream-url.js';

export interface ModelPorts {
  readonly database: Database;
  readonly vault: Vault;
  readonly runs: LiveRuns;
  readonly reach: Reach;
  readonly recorder: Recorder;
  readonly places: Places;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Home directory whose log-ins stand in where no key is set; undefined: none does. */
  readonly logInHome?: string | undefined;
  /** Where the providers are, for specs. */
  readonly providers: Providers;
}

/** A call that is made: whose, what of, with which keys. */
interface Admitted {
  readonly run: LiveRun;
  readonly provider: Provider;
  /** Path after `/model/PROVIDER`, with its query. */
  readonly rest: string;
  readonly keys: readonly ModelKey[];
  /** Where the protocol's own provider is, or what the repository has in its stead. */
  readonly usual: Promise<Checked | Refusal>;
}

interface AttemptOptions {
  readonly request: IncomingMessage;
  readonly admitted: Admitted;
  readonly body: RequestBody;
  readonly signal: AbortSignal;
  readonly key: ModelKey;
  readonly connectMs: number | undefined;
}

const PATH = /^\/model\/(anthropic|openai|gemini)(\/.*)$/;

/** What carries a credential; all of it is the run's token here, and goes. The provider answers in plain text, to be read along. */
const NOT_PASSED = [
  ...['authorization', 'x-api-key', 'x-goog-api-key', 'cookie'],
  ...['host', 'content-length', 'expect', 'accept-encoding'],
];

/**
 * `/model/PROVIDER/…`: a provider's API for agents that hold no key. The key of the person, the repository or the
 * workspace is put in place of the run's token; calls, tokens and cost are counted from the answers.
 */
export class ModelDoor implements Door {
  readonly name = 'model';
  private readonly connections = new Connections();
  private readonly kept = new KeptBytes();
  private readonly keys: ModelKeys;
  private readonly logIns: LogInKeys;
  private readonly calls: Counter;

  constructor(private readonly ports: ModelPorts) {
    this.keys = new ModelKeys(ports.database, ports.vault);
    this.logIns = new LogInKeys(ports.logInHome);
    this.calls = ports.metrics.counter('capstan_egress_model_calls_total', 'Calls to models, by provider and status');
  }

  takes({ url = '' }: IncomingMessage): boolean {
    return PATH.test(url);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, name, rest] = PATH.exec(request.url!) as unknown as [string, ProviderName, string];
    const provider = this.ports.providers[name];
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    response.once('close', () => this.calls.add({ provider: name, status: String(response.statusCode) }));
    // Read at once, and beside what has to be looked up.
    const reading = RequestBody.read(request, this.kept);
    reading.catch(() => gone.abort());
    try {
      const admitted = await this.admit(request, provider, rest);
      if (isRefusal(admitted)) return refuseCall(request, response, provider, admitted);
      const leave = this.ports.places.take(admitted.run.id, () => response.destroy());
      if (leave === null) return refuseCall(request, response, provider, TOO_MANY);
      response.once('close', leave);
      await this.pass(request, response, admitted, await reading, gone.signal);
    } catch (error) {
      if (gone.signal.aborted) response.destroy();
      else refuseCall(request, response, provider, this.fault(error));
    } finally {
      await reading.then((body) => body.release()).catch(() => undefined); // the client went away: nothing is kept
    }
  }

  close(): void {
    this.connections.close();
  }

  private async admit(request: IncomingMessage, provider: Provider, rest: string): Promise<Admitted | Refusal> {
    const { runs, reach, recorder, database } = this.ports;
    const run = await runs.admit(tokenOf(request));
    if (isRefusal(run)) return unadmitted(run);
    const { baseUrl } = run.agent;
    const url = upstreamUrl(provider, baseUrl, request.method!, rest);
    const target = urlHostPort(url ?? new URL(baseUrl ?? provider.baseUrl));
    const client = request.headers['user-agent'];
    const blocked = (refusal: Refusal): Refusal => {
      recorder.blocked(run, target, refusal.reason, client);
      return refusal;
    };
    if (url === null) return blocked(PATH_BLOCKED);
    const taken = credentialsFor(run.agent);
    // A command takes none by name: a person chose what runs there.
    if (taken.length > 0 && !provider.keys.some(({ secret }) => taken.includes(secret)))
      return blocked(providerBlocked(run.agent.agent, provider.title, taken));
    // A person set the address: it may be in the house.
    const usual = reach.check(target, baseUrl === undefined ? 'public' : 'private');
    const [{ keys, wanted }, over] = await Promise.all([
      this.keys.of(run, provider),
      checkBudget(database, recorder, run),
    ]);
    if (over !== null) return blocked(over);
    if (keys.length > 0) return { run, provider, rest, keys, usual };
    const own = await this.logIns.of(run, provider, wanted);
    if (own.keys.length > 0) return { run, provider, rest, keys: own.keys, usual };
    return blocked(noKey(provider.title, wanted, own.fault));
  }

  private async pass(
    request: IncomingMessage,
    response: ServerResponse,
    admitted: Admitted,
    body: RequestBody,
    signal: AbortSignal,
  ): Promise<void> {
    const { provider, keys } = admitted;
    const exchanged = await exchange({
      ...{ keys, signal, states: this.keys, logger: this.ports.logger },
      attempt: (key, connectMs) => this.attempt({ request, admitted, body, signal, key, connectMs }),
    });
    if (exchanged.kind !== 'answer') this.tellLimit(admitted, body, exchanged.freeAt);
    if (exchanged.kind === 'refusal') return refuseCall(request, response, provider, exchanged.refusal);
    if (exchanged.kind === 'held') return passHeld(exchanged.held, response);
    await this.count(admitted, exchanged, response);
  }

  /** The agent's program may wait, or ask for hours: whoever drives the run is to know that its task can do that. */
  private tellLimit({ run, provider, rest }: Admitted, body: RequestBody, freeAt: number | undefined): void {
    const model = askedModel(rest, body.beginning) ?? 'unknown';
    if (freeAt !== undefined) this.ports.recorder.limited(run, provider.name, model, new Date(freeAt));
  }

  /** The call at the place that a key is for, with the names that its models have there. */
  private async attempt({
    request,
    admitted,
    body,
    signal,
    key,
    connectMs,
  }: AttemptOptions): Promise<Attempt | Refusal> {
    const { run, provider } = admitted;
    const { reach, recorder } = this.ports;
    const placed = key.place === null ? { rest: admitted.rest, body } : renamedCall(admitted.rest, body, key.place);
    if (placed === null) return BODY_TOO_LONG;
    const method = request.method!;
    const url = upstreamUrl(provider, key.place?.baseUrl ?? run.agent.baseUrl, method, placed.rest);
    if (url === null) return PATH_BLOCKED;
    const client = request.headers['user-agent'];
    const checked = await (key.place === null ? admitted.usual : reach.check(urlHostPort(url), 'private'));
    if (isRefusal(checked)) {
      recorder.blocked(run, urlHostPort(url), checked.reason, client);
      return checked;
    }
    const flow = recorder.allowed(run, checked, client);
    const { connections } = this;
    const headers = headersWith(key, request);
    const call = { url, method, headers, body: placed.body, checked, connections, signal, sent: flow.up };
    const model = askedModel(url.pathname, placed.body.beginning);
    return { flow, model, call: connectMs === undefined ? call : { ...call, connectMs } };
  }

  private async count(
    { run, provider }: Admitted,
    { answer, key, attempt }: Extract<Exchanged, { kind: 'answer' }>,
    response: ServerResponse,
  ): Promise<void> {
    const { url, method } = attempt.call;
    const seen = await passAnswer(answer, response, provider, attempt.flow);
    const answered = answer.statusCode! >= 200 && answer.statusCode! < 300;
    if (!answered || method !== 'POST' || COUNTS_ONLY.test(url.pathname)) return;
    const model = namedModel(attempt.model, seen);
    const own = key.place === null;
    const cost = priceOf(provider.name, model, seen.tokens, own && run.agent.baseUrl === undefined);
    this.ports.recorder.used(run, own ? provider.name : url.host, model, seen.tokens ?? null, cost);
  }

  private fault(error: unknown): Refusal {
    if (error instanceof TransientError) {
      this.ports.logger.warn({ err: error }, `a model can't be asked now: ${errorText(error)}`);
      return UNAVAILABLE;
    }
    this.ports.logger.error({ err: error }, `the model door failed: ${errorText(error)}`);
    return { ...UNAVAILABLE, status: 500, words: 'Capstan itself has a fault; its log says more.' };
  }
}

/** Counting the tokens of a prompt costs none. */
const COUNTS_ONLY = /(count_tokens|input_tokens|countTokens)$/;

/** Wherever the programs of providers put their key. */
function tokenOf({ headers, url = '' }: IncomingMessage): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  const inQuery = new URLSearchParams(url.split('?')[1]).get('key') ?? undefined;
  return [headers['x-api-key'], bearer, headers['x-goog-api-key'], inQuery].flat().find((each) => each !== undefined);
}

function headersWith({ kind, value }: ModelKey, request: IncomingMessage): string[] {
  const asked = (name: string): string | undefined => [request.headers[name]].flat().join(',') || undefined;
  const own = kind.headers(value, asked);
  return [
    ...passedHeaders(request.rawHeaders, [...NOT_PASSED, ...Object.keys(own)]),
    ...Object.entries(own).flat(),
    ...['Accept-Encoding', 'identity'],
  ];
}
