import { request as askHttp, type IncomingMessage } from 'node:http';
import { request as askHttps } from 'node:https';
import { UNTRACED } from '@capstan/service-kit';
import { CONNECT_MS, checkedConnection, type Checked } from '../address/reach.js';
import { watchConnection, type Connections } from '../model/call-upstream.js';

/** A forge that works on a large pack says something within this. ms */
const SILENCE_MS = 5 * 60_000;

export interface ForgeCall {
  readonly url: URL;
  readonly method: string;
  /** Name and value by turns, without `Host`. */
  readonly headers: readonly string[];
  readonly checked: Checked;
  readonly connections: Connections;
  readonly signal: AbortSignal;
  /** Passed on as it comes; of a request that is over already: nothing. */
  readonly body?: IncomingMessage | string;
  readonly sent: (bytes: number) => void;
}

/**
 * One request to a forge, until its answer begins. It connects to the very addresses that were checked and follows no
 * redirect. Rejects when nobody answers.
 */
export function askForge(call: ForgeCall): Promise<IncomingMessage> {
  const { url, method, headers, checked, connections, signal, body, sent } = call;
  return new Promise((resolve, reject) => {
    const upstream = (url.protocol === 'https:' ? askHttps : askHttp)({
      ...UNTRACED,
      ...{ method, host: checked.host, port: checked.port, path: `${url.pathname}${url.search}` },
      ...checkedConnection(checked.addresses),
      headers: ['Host', url.host, ...headers],
      // A kept connection that turns out to be closed would cost a body that can't be sent twice.
      ...(typeof body === 'object' ? { agent: false } : { agent: connections.for(url) }),
      setHost: false,
      signal,
    });
    watchConnection(upstream, CONNECT_MS, () => upstream.destroy(new Error('no connection within ten seconds')));
    upstream.setTimeout(SILENCE_MS, () => upstream.destroy(new Error('the forge said nothing for five minutes')));
    upstream.on('error', reject);
    upstream.once('response', resolve);
    if (typeof body !== 'object') {
      sent(Buffer.byteLength(body ?? ''));
      upstream.end(body);
      return;
    }
    body.on('data', (chunk: Buffer) => sent(chunk.length));
    body.pipe(upstream);
  });
}

/** A message's body as text. Null for one that is longer than `max` bytes. */
export async function readBody(message: IncomingMessage, max: number): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > max) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
