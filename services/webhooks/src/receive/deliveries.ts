import type { IncomingMessage, ServerResponse } from 'node:http';
import { TransientError, UserError, unreachable } from '@capstan/domain';
import type { Database } from '@capstan/database';
import { answerProblem, type Logger, type Vault } from '@capstan/service-kit';
import { readRawBody } from './raw-body.js';
import { storeDelivery } from './receive.apply.js';
import { decideDelivery } from './receive.decide.js';
import { readDelivery, type IncomingDelivery } from './receive.snapshot.js';

/** Largest delivery, bytes: GitHub's own limit. */
export const MAX_DELIVERY_BYTES = 25 * 1_048_576;
/** Deliveries at work at the same time; more are told to come again. */
const MAX_AT_WORK = 64;
/** Forges wait ten seconds and then call it failed: it is better said. ms */
const DEFAULT_TIMEOUT_MS = 5_000;
/** A delivery must have arrived whole after this: its sender would give up then. ms */
const BODY_MS = 10_000;
const ADDRESS = /^\/hooks\/([a-z][a-z0-9-]*)\/([\w-]+)\/?(?:\?|$)/;

export interface DeliveryOptions {
  readonly database: Database;
  readonly vault: Vault;
  readonly logger: Logger;
  readonly timeoutMs?: number;
}

/**
 * Takes deliveries of forges: `POST /hooks/<forge>/<repository id>`, of apps: `POST /hooks/<forge>-app/<app id>`.
 * 202: stored · 200: it was stored before, or is about nothing that Capstan has ·
 * 400: no delivery id · 401: unknown repository or wrong signature · 413: too large · 503: Postgres is slow or away.
 */
export function deliveries(options: DeliveryOptions) {
  let atWork = 0;
  return (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void => {
    const address = ADDRESS.exec(request.url ?? '');
    if (address === null) return next();
    atWork += 1;
    const work = atWork > MAX_AT_WORK ? Promise.reject(busy()) : receive(options, request, address[1]!, address[2]!);
    work
      .then((status) => answer(response, status))
      .catch((error: unknown) => {
        // What is still being sent is not read: the connection can't be used again.
        if (!request.complete) response.setHeader('connection', 'close');
        answerProblem(response, error, options.logger);
      })
      .finally(() => (atWork -= 1));
  };
}

async function receive(
  options: DeliveryOptions,
  request: IncomingMessage,
  forge: string,
  senderId: string,
): Promise<200 | 202> {
  if (request.method !== 'POST')
    throw new UserError('Deliveries are sent with POST', { code: 'method_not_allowed', status: 400 });
  const body = await readRawBody(request, MAX_DELIVERY_BYTES, BODY_MS);
  return inTime(
    handle(options, { forge, senderId, headers: flat(request), body }),
    options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
  );
}

async function handle(options: DeliveryOptions, incoming: IncomingDelivery): Promise<200 | 202> {
  const { facts, repository, delivery } = await readDelivery(options, incoming);
  const verdict = decideDelivery(facts);
  switch (verdict.kind) {
    case 'unauthenticated':
      throw new UserError('The delivery is not signed for this repository', {
        code: 'unauthenticated',
        status: 401,
        remedy: 'Set the same secret at the forge and as WEBHOOK_SECRET of the repository, and check the address.',
      });
    case 'malformed':
      throw new UserError(verdict.reason, { code: 'delivery_malformed', status: 400 });
    case 'ignore':
      options.logger.debug({ sender: incoming.senderId, event: delivery?.event }, 'delivery about nothing of ours');
      return 200;
    case 'store': {
      const event = delivery?.event ?? 'unknown';
      const outcome = await storeDelivery(options.database, incoming, {
        repository: repository!,
        remoteId: verdict.remoteId,
        event,
      });
      options.logger.debug({ repositoryId: repository!.id, delivery: verdict.remoteId, event }, `delivery ${outcome}`);
      return outcome === 'applied' ? 202 : 200;
    }
    default:
      return unreachable(verdict);
  }
}

/** What is stored after all is a repeated delivery when it comes again. */
async function inTime<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(slow()), timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function flat({ headers }: IncomingMessage): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
  );
}

function answer(response: ServerResponse, status: 200 | 202): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(JSON.stringify({ stored: true, repeated: status === 200 }));
}

function slow(): TransientError {
  return new TransientError('Postgres did not answer in time', { code: 'database_slow', retryAfterMs: 30_000 });
}

function busy(): TransientError {
  return new TransientError('Too many deliveries at once', { code: 'too_many_deliveries', retryAfterMs: 10_000 });
}
