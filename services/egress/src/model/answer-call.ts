import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Flow } from '../record/recorder.js';
import { passedHeaders } from '../server/passed-headers.js';
import type { Refusal } from '../server/refusal.js';
import type { HeldAnswer } from './exchange.js';
import type { Provider } from './provider.js';
import { READ_ANSWER, type Seen } from './usage/answer-usage.js';
import { UsageTap } from './usage/usage-tap.js';

/** Cookies are between Capstan and the provider. */
const NOT_PASSED = ['set-cookie'];

/**
 * Passes an answer on as it comes, and resolves with what it told of its tokens, once it has ended or was cut off. Reading
 * along never holds it up. Cut off at the provider is cut off for the agent, never a short answer that looks whole.
 */
export function passAnswer(
  answer: IncomingMessage,
  response: ServerResponse,
  provider: Provider,
  flow: Flow,
): Promise<Seen> {
  const { 'content-type': contentType = '', 'content-encoding': contentEncoding = '' } = answer.headers;
  const tap = new UsageTap(READ_ANSWER[provider.name], { contentType, contentEncoding });
  return new Promise((resolve) => {
    response.writeHead(answer.statusCode!, answer.statusMessage, passedHeaders(answer.rawHeaders, NOT_PASSED));
    response.flushHeaders();
    answer.pipe(response);
    answer.on('data', (chunk: Buffer) => {
      flow.down(chunk.length);
      tap.write(chunk);
    });
    answer.once('error', () => response.destroy());
    answer.once('close', () => {
      if (!answer.complete) response.destroy();
      resolve(tap.end());
    });
  });
}

/** Gives a provider's refusal back as it was. */
export function passHeld({ status, rawHeaders, body, flow }: HeldAnswer, response: ServerResponse): void {
  flow.down(body.length);
  const headers = passedHeaders(rawHeaders, [...NOT_PASSED, 'content-length']);
  response.writeHead(status, [...headers, 'Content-Length', String(body.length)]);
  response.end(body);
}

/** Refuses as the provider would. */
export function refuseCall(
  request: IncomingMessage,
  response: ServerResponse,
  provider: Provider,
  given: Refusal,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const refusal = { ...given, words: `Capstan: ${given.words}` };
  response.writeHead(refusal.status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-capstan-egress': refusal.reason,
    ...(refusal.retryAfter === undefined ? {} : { 'retry-after': String(refusal.retryAfter) }),
    ...(request.complete ? {} : { connection: 'close' }),
  });
  response.end(JSON.stringify(provider.refusal(refusal)));
}
