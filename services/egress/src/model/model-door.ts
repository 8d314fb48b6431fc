import type { IncomingMessage, ServerResponse } from 'node:http';
import { credentialsFor } from '@capstan/agents';
import type { Database } from '@capstan/database';
import { TransientError, errorText } from '@capstan/domain';
import type { Counter, Logger, Metrics, Vault } from '@capstan/service-kit';
import type { LiveRun, LiveRuns } from '../admit/live-runs.js';
import type { Places } from '../admit/places.js';
import { unreachableHost, type Checked, type Reach } from '../address/reach.js';
import { hostPort, type HostPort } from '../forward/host-rule.js';
import type { Flow, Recorder } from '../record/recorder.js';
import type { Door } from '../server/door.js';
import { passedHeaders } from '../server/passed-headers.js';
import { isRefusal, type Refusal } from '../server/refusal.js';
import { passAnswer, passHeld, refuseCall } from './answer-call.js';
import { checkBudget } from './budget.js';
import { Connections, type Call } from './call-upstream.js';
import { exchange } from './exchange.js';
import type { ModelKey } from './keys/keys.decide.js';
import { ModelKeys } from './keys/model-keys.js';
import { PATH_BLOCKED, TOO_MANY, UNAVAILABLE, noKey, providerBlocked, unadmitted } from './model-refusals.js';
import { PROVIDERS, type Provider, type ProviderName } from './provider.js';
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
}

/** A call that is made: whose, where to, with which keys. */
interface Admitted {
  readonly run: LiveRun;
  readonly provider: Provider;
  readonly url: URL;
  readonly checked: Checked;
  readonly keys: readonly ModelKey[];
}

const PATH = /^\/model\/(anthropic|openai|gemini)(\/.*)$/;

/** What carries a credential; all of it is the run's token here, and goes. The provider answers in plain text, to be read along. */
const NOT_PASSED = [
  ...['authorization', 'x-api-key', 'x-goog-api-key', 'cookie'],
  ...['host', 'content-length', 'expect', 'accept-encoding'],
];

/**
 * `/model/PROVIDER/…`: a provider's API for agents that hold no key. The key of the repository or its workspace is put in
 * place of the run's token; calls, tokens and cost are counted from the answers.
 */
export class ModelDoor implements Door {
  readonly name = 'model';
  private readonly connections = new Connections();
  private readonly kept = new KeptBytes();
  private readonly keys: ModelKeys;
  private readonly calls: Counter;

  constructor(private readonly ports: ModelPorts) {
    this.keys = new ModelKeys(ports.vault);
    this.calls = ports.metrics.counter('capstan_egress_model_calls_total', 'Calls to models, by provider and status');
  }

  takes({ url = '' }: IncomingMessage): boolean {
    return PATH.test(url);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, name, rest] = PATH.exec(request.url!) as unknown as [string, ProviderName, string];
    const provider = PROVIDERS[name];
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
    const target = targetOf(url ?? new URL(baseUrl ?? provider.baseUrl));
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
    const [checked, { keys, wanted }, over] = await Promise.all([
      // A person set the address: it may be in the house.
      reach.check(target, baseUrl === undefined ? 'public' : 'private'),
      this.keys.of(run, provider),
      checkBudget(database, recorder, run),
    ]);
    if (isRefusal(checked)) return blocked(checked);
    if (over !== null) return blocked(over);
    return keys.length === 0 ? blocked(noKey(provider.title, wanted)) : { run, provider, url, checked, keys };
  }

  private async pass(
    request: IncomingMessage,
    response: ServerResponse,
    admitted: Admitted,
    body: RequestBody,
    signal: AbortSignal,
  ): Promise<void> {
    const { run, provider, url, checked, keys } = admitted;
    const { recorder, logger } = this.ports;
    const flow = recorder.allowed(run, checked, request.headers['user-agent']);
    const model = askedModel(url.pathname, body.beginning);
    const call = (key: ModelKey): Call => ({
      ...{ url, body, checked, signal, connections: this.connections, method: request.method! },
      headers: headersWith(key, request),
      sent: flow.up,
    });
    const exchanged = await exchange({ keys, states: this.keys, logger, call, signal }).catch((error: unknown) => {
      if (signal.aborted) throw error;
      return { kind: 'refusal', refusal: unreachableHost(checked, error) } as const;
    });
    if (exchanged.kind === 'refusal') return refuseCall(request, response, provider, exchanged.refusal);
    if (exchanged.kind === 'held') return passHeld(exchanged.held, response, flow);
    const { answer } = exchanged;
    await this.count(admitted, model, request, answer, response, flow);
  }

  private async count(
    { run, provider, url }: Admitted,
    asked: string | undefined,
    request: IncomingMessage,
    answer: IncomingMessage,
    response: ServerResponse,
    flow: Flow,
  ): Promise<void> {
    const seen = await passAnswer(answer, response, provider, flow);
    const answered = answer.statusCode! >= 200 && answer.statusCode! < 300;
    if (!answered || request.method !== 'POST' || COUNTS_ONLY.test(url.pathname)) return;
    const model = namedModel(asked, seen);
    const cost = priceOf(provider.name, model, seen.tokens, run.agent.baseUrl === undefined);
    this.ports.recorder.used(run, provider.name, model, seen.tokens ?? null, cost);
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

function targetOf(url: URL): HostPort {
  // Canonical by the URL already; a host that can't be read is one that can't be reached.
  return hostPort(url.host, url.protocol === 'https:' ? 443 : 80) ?? { host: url.hostname, port: 0 };
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
