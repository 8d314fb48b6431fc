import { setTimeout as delay } from 'node:timers/promises';
import type { IncomingMessage } from 'node:http';
import type { Logger } from '@capstan/service-kit';
import type { Refusal } from '../server/refusal.js';
import { callUpstream, type Call } from './call-upstream.js';
import { chooseKey } from './keys/choose-key.decide.js';
import type { ModelKey } from './keys/keys.decide.js';
import type { ModelKeys } from './keys/model-keys.js';
import { pauseMs } from './keys/pause.decide.js';

/** How long a call waits for a key whose limit ends. ms */
const PATIENCE_MS = 60_000;
/** How much of a refusal is read, bytes. */
const MAX_REFUSAL_BYTES = 262_144;

/** A provider's refusal, read whole so that another key could be tried. */
export interface HeldAnswer {
  readonly status: number;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

export type Exchanged =
  | { readonly kind: 'answer'; readonly answer: IncomingMessage }
  | { readonly kind: 'held'; readonly held: HeldAnswer }
  | { readonly kind: 'refusal'; readonly refusal: Refusal };

export interface ExchangeOptions {
  readonly keys: readonly ModelKey[];
  readonly states: ModelKeys;
  readonly logger: Logger;
  /** The call with a key's headers. */
  readonly call: (key: ModelKey) => Call;
  readonly signal: AbortSignal;
}

/**
 * Asks with one key after another until one is accepted: a limit (429, 529) pauses the key for everybody, a refusal (401,
 * 403) only ends its turn here. When all are at their limit the call waits up to a minute; then the provider's own last
 * answer goes back. A body that can't be repeated is sent once. Rejects when nobody answers, or the client is gone.
 */
export async function exchange(options: ExchangeOptions): Promise<Exchanged> {
  const { keys, states, logger, signal } = options;
  const startedAt = Date.now();
  const refused = new Set<ModelKey>();
  let held: HeldAnswer | undefined;
  for (;;) {
    const known = keys.map((key) => states.state(key, refused.has(key)));
    const choice = chooseKey(known, Date.now(), startedAt, PATIENCE_MS);
    if (choice.kind === 'none')
      return held === undefined ? allPaused(choice.freeAt, Date.now()) : { kind: 'held', held };
    if (choice.kind === 'wait') {
      await delay(choice.ms, undefined, { signal });
      continue;
    }
    const key = keys[choice.index]!;
    const call = options.call(key);
    const answer = await callUpstream(call);
    if (!isAboutTheKey(answer.statusCode!)) return { kind: 'answer', answer };
    held = await hold(answer);
    if (isRefused(held.status)) refused.add(key);
    note(key, held, answer.headers, states, logger);
    if (!call.body.repeatable) return { kind: 'held', held };
  }
}

function note(
  key: ModelKey,
  held: HeldAnswer,
  headers: IncomingMessage['headers'],
  states: ModelKeys,
  logger: Logger,
): void {
  const { status } = held;
  if (isRefused(status)) {
    states.refused(key);
    logger.warn({ secret: key.name, status }, `the provider refuses the key in ${key.name}`);
  } else {
    const ms = pauseMs(status, headers, held.body.toString('utf8'), Date.now());
    states.pause(key, ms);
    logger.info({ secret: key.name, status, pauseMs: ms }, `the key in ${key.name} is at its limit`);
  }
}

function isRefused(status: number): boolean {
  return status === 401 || status === 403;
}

function isAboutTheKey(status: number): boolean {
  return isRefused(status) || status === 429 || status === 529;
}

async function hold(answer: IncomingMessage): Promise<HeldAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_REFUSAL_BYTES) break; // no provider's refusal is so long: what is there says enough
    chunks.push(chunk);
  }
  return { status: answer.statusCode!, rawHeaders: answer.rawHeaders, body: Buffer.concat(chunks) };
}

function allPaused(freeAt: number | null, now: number): Exchanged {
  const seconds = freeAt === null ? 60 : Math.max(1, Math.ceil((freeAt - now) / 1_000));
  return {
    kind: 'refusal',
    refusal: {
      reason: 'keys_paused',
      status: 429,
      words: `every key of the provider is at its limit; the first is free in ${seconds} s. More keys can be set as further secrets, such as ANTHROPIC_API_KEY_2.`,
      retryAfter: seconds,
    },
  };
}
