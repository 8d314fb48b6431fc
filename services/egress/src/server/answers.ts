import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Refusal } from './refusal.js';

/** Refuses a request in plain words. */
export function answerRefusal(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  // A body that is still coming is not read: the connection can't be used again.
  response.writeHead(refusal.status, { ...headersOf(refusal), ...(request.complete ? {} : { connection: 'close' }) });
  response.end(bodyOf(refusal));
}

/** Refuses a CONNECT and closes the connection. */
export function refuseTunnel(client: Socket, refusal: Refusal): void {
  if (!client.writable) return;
  const body = bodyOf(refusal);
  const headers = { ...headersOf(refusal), 'content-length': String(Buffer.byteLength(body)), connection: 'close' };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  client.end(`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${lines.join('')}\r\n${body}`);
}

function headersOf({ status, reason, retryAfter }: Refusal): Record<string, string> {
  return {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'x-capstan-egress': reason,
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
    ...(status === 407 ? { 'proxy-authenticate': 'Basic realm="Capstan run"' } : {}),
  };
}

function bodyOf({ words }: Refusal): string {
  return `Capstan egress: ${words}\n`;
}
