import { Agent as HttpAgent, request as askHttp, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as askHttps } from 'node:https';
import { UNTRACED } from '@capstan/service-kit';
import { CONNECT_MS, checkedConnection, type Checked } from '../address/reach.js';
import type { SentBody } from './request-body.js';

/** A model may think for so long before the first byte of its answer. ms */
const ANSWER_MS = 15 * 60_000;

/** Connections to providers are kept: a new one costs two or three round trips before the call begins. */
export class Connections {
  private readonly http = new HttpAgent({ keepAlive: true, maxFreeSockets: 64, scheduling: 'lifo' });
  private readonly https = new HttpsAgent({ keepAlive: true, maxFreeSockets: 64, scheduling: 'lifo' });

  for(url: URL): HttpAgent {
    return url.protocol === 'https:' ? this.https : this.http;
  }

  close(): void {
    this.http.destroy();
    this.https.destroy();
  }
}

export interface Call {
  readonly url: URL;
  readonly method: string;
  /** Name and value by turns, without `Host` and lengths. */
  readonly headers: readonly string[];
  readonly body: SentBody;
  readonly checked: Checked;
  /** A connection stands after this, or is given up. ms */
  readonly connectMs?: number;
  readonly connections: Connections;
  readonly signal: AbortSignal;
  readonly sent: (bytes: number) => void;
}

/**
 * One request, until its answer begins. Node's own client: it connects to the very addresses that were checked, keeps
 * headers as they are, and passes streams on without a copy. Never follows a redirect. Rejects when nobody answers; once
 * more is tried only where a kept connection turned out to be closed.
 */
export async function callUpstream(call: Call): Promise<IncomingMessage> {
  try {
    return await ask(call);
  } catch (error) {
    if (!(error instanceof StaleConnection) || !call.body.repeatable || call.signal.aborted) throw error;
    return ask(call);
  }
}

class StaleConnection extends Error {}

function ask({
  url,
  method,
  headers,
  body,
  checked,
  connectMs = CONNECT_MS,
  connections,
  signal,
  sent,
}: Call): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const upstream = (url.protocol === 'https:' ? askHttps : askHttp)({
      ...UNTRACED,
      ...{ method, host: checked.host, port: checked.port, path: `${url.pathname}${url.search}` },
      ...checkedConnection(checked.addresses),
      headers: ['Host', url.host, ...headers, ...body.lengthHeader],
      agent: connections.for(url),
      setHost: false,
      signal,
    });
    const late = (what: string) => () => upstream.destroy(new Error(what));
    const answering = setTimeout(late('no answer within fifteen minutes'), ANSWER_MS);
    watchConnection(upstream, connectMs, late(`no connection within ${connectMs / 1_000} seconds`));
    upstream.once('close', () => clearTimeout(answering));
    upstream.on('error', (error: NodeJS.ErrnoException) => {
      const stale = upstream.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      reject(stale ? new StaleConnection(error.message, { cause: error }) : error);
    });
    upstream.once('response', (answer) => {
      clearTimeout(answering);
      resolve(answer);
    });
    body.sendTo(upstream, sent);
  });
}

/** Calls `late` when the connection doesn't stand within `connectMs`. */
export function watchConnection(upstream: ClientRequest, connectMs: number, late: () => void): void {
  const timer = setTimeout(late, connectMs);
  upstream.once('close', () => clearTimeout(timer));
  upstream.once('socket', (socket) => {
    if (!socket.connecting) return clearTimeout(timer);
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => clearTimeout(timer));
  });
}
