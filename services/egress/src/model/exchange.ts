import { setTimeout as delay } from 'node:timers/promises';
import type { IncomingMessage } from 'node:http';
import type { Logger } from '@capstan/service-kit';
import { unreachableHost } from '../address/reach.js';
import type { Flow } from '../record/recorder.js';
import { isRefusal, type Refusal } from '../server/refusal.js';
import { callUpstream, type Call } from './call-upstream.js';
import { fateOf, isRefused, type Fate } from './fate.decide.js';
import { chooseKey } from './keys/choose-key.decide.js';
import type { ModelKey } from './keys/keys.decide.js';
import type { ModelKeys } from './keys/model-keys.js';
import { OVERLOADED_MS, pauseMs } from './keys/pause.decide.js';

/** How long a call waits for a key whose limit ends. ms */
const PATIENCE_MS = 60_000;
/** How long a connection is waited for where somebody else can be asked: a run goes on within ten seconds. ms */
const SHORT_CONNECT_MS = 4_000;
/** How much of a refusal is read, bytes. */
const MAX_REFUSAL_BYTES = 262_144;

/** What says nothing of the place. */
const OF_THE_CALL: ReadonlySet<Refusal['reason']> = new Set(['path_blocked', 'body_too_long']);

/** A provider's refusal, read whole so that another key could be tried. */
export interface HeldAnswer {
  readonly status: number;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly flow: Flow;
}

/** A call that is made with a key, and where its bytes are counted. */
export interface Attempt {
  readonly call: Call;
  readonly flow: Flow;
  /** The model that is asked, as its place calls it. */
  readonly model: string | undefined;
}

export type Exchanged =
  | { readonly kind: 'answer'; readonly answer: IncomingMessage; readonly key: ModelKey; readonly attempt: Attempt }
  | ({ readonly kind: 'held'; readonly held: HeldAnswer } & Limited)
  | ({ readonly kind: 'refusal'; readonly refusal: Refusal } & Limited);

interface Limited {
  /** When the first key is free again, where all that there are wait for that. ms since 1970 */
  readonly freeAt?: number;
}

export interface ExchangeOptions {
  readonly keys: readonly ModelKey[];
  readonly states: ModelKeys;
  readonly logger: Logger;
  /** The call with a key, at its place; or why that place can't be asked. */
  readonly attempt: (key: ModelKey, connectMs: number | undefined) => Promise<Attempt | Refusal>;
  readonly signal: AbortSignal;
}

/**
 * Asks with one key after another until one is accepted: a limit (429, 529) pauses the key for everybody, a refusal (401,
 * 403) only ends its turn here. A provider that is overloaded (503) or silent is passed over where another can be asked.
 * When all are at their limit the call waits up to a minute; then a provider's own answer goes back, a limit rather than
 * a refusal. A body that can't be repeated is sent once. Rejects when the client is gone.
 */
export async function exchange(options: ExchangeOptions): Promise<Exchanged> {
  const { keys, states, signal } = options;
  const startedAt = Date.now();
  const ended = new Set<ModelKey>();
  let held: HeldAnswer | undefined;
  let fault: Refusal | undefined;
  for (;;) {
    const known = keys.map((key) => states.state(key, ended.has(key)));
    const choice = chooseKey(known, Date.now(), startedAt, PATIENCE_MS);
    if (choice.kind === 'none') {
      const none = outcome(held, fault ?? allPaused(choice.freeAt, Date.now()));
      return choice.freeAt === null ? none : { ...none, freeAt: choice.freeAt };
    }
    if (choice.kind === 'wait') {
      await delay(choice.ms, undefined, { signal });
      continue;
    }
    const key = keys[choice.index]!;
    const others = keys.some((each) => placeOf(each) !== placeOf(key));
    const tried = await tryKey(options, key, others ? SHORT_CONNECT_MS : undefined);
    if ('fault' in tried) {
      fault = tried.fault;
      for (const each of atPlaceOf(key, keys)) ended.add(each);
      if (!others || !tried.unsent) return outcome(held, fault);
      // Later calls needn't find out as well, unless it is a matter of this one alone.
      if (!OF_THE_CALL.has(fault.reason)) for (const each of atPlaceOf(key, keys)) states.pause(each, OVERLOADED_MS);
      continue;
    }
    const { attempt, answer } = tried;
    const fate = fateOf(answer.statusCode!, others);
    if (fate === 'passes') return { kind: 'answer', answer, key, attempt };
    const last = await hold(answer, attempt.flow);
    if (held === undefined || !isRefused(last.status) || isRefused(held.status)) held = last;
    if (isRefused(last.status)) ended.add(key);
    note({ key, held: last, fate, headers: answer.headers }, options);
    if (!attempt.call.body.repeatable) return { kind: 'held', held: last };
  }
}

type Tried =
  | { readonly attempt: Attempt; readonly answer: IncomingMessage }
  /** `unsent`: the body can still be sent to somebody else. */
  | { readonly fault: Refusal; readonly unsent: boolean };

/** Where nobody answers that is said; rejects only when the client is gone. */
async function tryKey(options: ExchangeOptions, key: ModelKey, connectMs: number | undefined): Promise<Tried> {
  const attempt = await options.attempt(key, connectMs);
  if (isRefusal(attempt)) return { fault: attempt, unsent: true };
  const { call } = attempt;
  try {
    return { attempt, answer: await callUpstream(call) };
  } catch (error) {
    if (call.signal.aborted) throw error;
    return { fault: unreachableHost(call.checked, error), unsent: call.body.repeatable };
  }
}

function outcome(held: HeldAnswer | undefined, refusal: Refusal): Exclude<Exchanged, { kind: 'answer' }> {
  return held === undefined ? { kind: 'refusal', refusal } : { kind: 'held', held };
}

function atPlaceOf(key: ModelKey, keys: readonly ModelKey[]): readonly ModelKey[] {
  return keys.filter((each) => placeOf(each) === placeOf(key));
}

function placeOf({ place }: ModelKey): string {
  return place?.baseUrl ?? '';
}

interface Noted {
  readonly key: ModelKey;
  readonly held: HeldAnswer;
  readonly fate: Fate;
  readonly headers: IncomingMessage['headers'];
}

function note({ key, held, fate, headers }: Noted, { keys, states, logger }: ExchangeOptions): void {
  const { status } = held;
  if (fate === 'refused') {
    states.refused(key);
    logger.warn({ secret: key.name, status }, `the provider refuses the key in ${key.name}`);
    return;
  }
  const ms = pauseMs(status, headers, held.body.toString('utf8'), Date.now());
  // Who is overloaded is so for every key.
  const all = fate === 'overloaded' ? atPlaceOf(key, keys) : [key];
  for (const each of all) states.pause(each, ms);
  const what =
    fate === 'overloaded' ? `the provider of ${key.name} is overloaded` : `the key in ${key.name} is at its limit`;
  logger.info({ secret: key.name, status, pauseMs: ms }, what);
}

async function hold(answer: IncomingMessage, flow: Flow): Promise<HeldAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_REFUSAL_BYTES) break; // no provider's refusal is so long: what is there says enough
    chunks.push(chunk);
  }
  return { status: answer.statusCode!, rawHeaders: answer.rawHeaders, body: Buffer.concat(chunks), flow };
}

function allPaused(freeAt: number | null, now: number): Refusal {
  const seconds = freeAt === null ? 60 : Math.max(1, Math.ceil((freeAt - now) / 1_000));
  return {
    reason: 'keys_paused',
    status: 429,
    words: `every key of the provider is at its limit; the first is free in ${seconds} s. More keys can be set as further secrets, such as ANTHROPIC_API_KEY_2, and other providers under Settings → Model fail-over.`,
    retryAfter: seconds,
  };
}
