import { request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import { UNTRACED } from '@capstan/service-kit';
import { CONNECT_MS, checkedConnection, unreachableHost, type Checked } from '../address/reach.js';
import type { Flow } from '../record/recorder.js';
import { passedHeaders } from '../server/passed-headers.js';
import type { Refusal } from '../server/refusal.js';
import { shownHost } from './host-rule.js';

/**
 * Passes one request on to the checked addresses of its host, and the answer back, both as they come. A redirect is an
 * answer like any other: where it leads has to be asked for anew. Answers a refusal when nobody answers there.
 */
export function passRequest(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  target: Checked,
  flow: Flow,
): Promise<Refusal | null> {
  return new Promise((resolve) => {
    const upstream = ask({
      ...UNTRACED,
      ...{ host: target.host, port: target.port, ...checkedConnection(target.addresses) },
      method: request.method,
      path: `${url.pathname}${url.search}`,
      // The host that was checked, whatever the client's own header says.
      headers: ['Host', target.port === 80 ? url.hostname : shownHost(target), ...headersOf(request)],
      agent: false,
      setHost: false,
    });
    const timer = setTimeout(() => upstream.destroy(new Error('no connection within ten seconds')), CONNECT_MS);
    upstream.once('socket', (socket) => socket.once('connect', () => clearTimeout(timer)));
    upstream.once('close', () => clearTimeout(timer));
    upstream.on('error', (error) => resolve(unreachableHost(target, error)));
    upstream.once('response', (answer) => {
      answer.on('data', (chunk: Buffer) => flow.down(chunk.length));
      response.writeHead(answer.statusCode!, answer.statusMessage, passedHeaders(answer.rawHeaders));
      answer.pipe(response);
      // Cut off is cut off for the client too, never a short answer that looks whole.
      answer.on('error', () => response.destroy());
      answer.once('aborted', () => response.destroy());
      resolve(null);
    });
    request.on('data', (chunk: Buffer) => flow.up(chunk.length));
    request.pipe(upstream);
    response.once('close', () => {
      upstream.destroy();
      resolve(null);
    });
  });
}

function headersOf({ rawHeaders, headers }: IncomingMessage): string[] {
  const passed = passedHeaders(rawHeaders, ['host', 'expect']);
  return headers['transfer-encoding'] === undefined ? passed : [...passed, 'Transfer-Encoding', 'chunked'];
}
