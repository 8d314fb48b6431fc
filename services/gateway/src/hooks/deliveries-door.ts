import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { TransientError, UserError } from '@capstan/domain';
import type { Logger } from '@capstan/service-kit';
import { writeProblem } from '../http/problem.js';

/** Largest delivery, bytes: GitHub's own limit. */
export const MAX_DELIVERY_BYTES = 25 * 1_048_576;
/** The webhooks service answers in milliseconds; forges give up after ten seconds. ms */
const TIMEOUT_MS = 9_000;

/** Headers that belong to one connection, not to the message. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
]);

type Next = (error?: unknown) => void;

/**
 * Passes /hooks/* on to the webhooks service, byte for byte: signatures are over exactly what arrived. Answers 413
 * beyond 25 MB, 503 with Retry-After while the service can't be reached; forges deliver again, and the sweeps of
 * pr-watcher and ticket-sync find what never came.
 * @param targetUrl of the webhooks service.
 */
export function deliveriesDoor(targetUrl: string, logger: Logger) {
  const target = new URL(targetUrl);
  const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
  return (request: IncomingMessage, response: ServerResponse, next: Next): void => {
    const path = request.url ?? '';
    if (!/^\/hooks\/[\w./-]+(\?|$)/.test(path)) return next();
    const length = Number(request.headers['content-length'] ?? 0);
    if (length > MAX_DELIVERY_BYTES) return writeProblem(response, tooLarge(), logger);
    let failed = false;
    const fail = (error: unknown): void => {
      if (failed) return;
      failed = true;
      upstream.destroy();
      if (!response.destroyed) writeProblem(response, error, logger);
    };
    const upstream = send(
      target,
      { method: request.method, path, headers: passedOn(request), timeout: TIMEOUT_MS },
      (answer) => {
        if (failed) return void answer.resume();
        response.writeHead(answer.statusCode ?? 502, withoutHops(answer.headers));
        answer.pipe(response);
        answer.once('error', () => response.destroy());
      },
    );
    upstream.once('timeout', () => fail(unavailable(undefined)));
    upstream.once('error', (error) => fail(unavailable(error)));
    response.once('close', () => upstream.destroy());
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_DELIVERY_BYTES) fail(tooLarge());
    });
    request.pipe(upstream);
  };
}

function passedOn(request: IncomingMessage): Record<string, string | string[]> {
  return { ...withoutHops(request.headers), 'x-forwarded-for': request.socket.remoteAddress ?? '' };
}

function withoutHops(headers: IncomingMessage['headers']): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !HOP_BY_HOP.has(name)) kept[name] = value;
  return kept;
}

function tooLarge(): UserError {
  return new UserError('The delivery is larger than 25 MB', { code: 'body_too_large', status: 413 });
}

function unavailable(cause: unknown): TransientError {
  return new TransientError('Deliveries can not be taken right now', {
    code: 'webhooks_unavailable',
    retryAfterMs: 5_000,
    cause,
  });
}
