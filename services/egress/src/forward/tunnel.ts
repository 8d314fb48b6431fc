import type { Socket } from 'node:net';
import { connectTo, unreachableHost, type Checked } from '../address/reach.js';
import type { Flow } from '../record/recorder.js';
import type { Refusal } from '../server/refusal.js';
import { readClientHello, type ClientHello } from './client-hello.js';
import { decideFirstBytes } from './first-bytes.decide.js';

/** A tunnel that is silent for so long is closed. ms */
const IDLE_MS = 15 * 60_000;
/** Fatal alert `unrecognized_name`. */
const ALERT = Buffer.from([21, 3, 3, 0, 2, 2, 112]);

export interface Tunnel {
  readonly client: Socket;
  /** What the client sent with its request already. */
  readonly head: Buffer;
  readonly target: Checked;
  readonly flow: Flow;
  /** Told of what is refused after the tunnel stands. */
  readonly blocked: (refusal: Refusal) => void;
}

/**
 * Connects to the checked addresses and passes bytes both ways, once the client's first ones have shown that it speaks to
 * the host that it asked for. Answers a refusal when nobody answers there.
 */
export async function passTunnel({ client, head, target, flow, blocked }: Tunnel): Promise<Refusal | null> {
  const gone = new AbortController();
  client.once('close', () => gone.abort());
  let upstream: Socket;
  try {
    upstream = await connectTo(target, gone.signal);
  } catch (error) {
    return client.destroyed ? null : unreachableHost(target, error);
  }
  if (client.destroyed) {
    upstream.destroy();
    return null;
  }
  client.write('HTTP/1.1 200 Connection established\r\n\r\n');
  if (head.length > 0) client.unshift(head);
  join(client, upstream, flow, (hello) => {
    const refusal = decideFirstBytes(target, hello);
    if (refusal !== null) blocked(refusal);
    return refusal === null;
  });
  return null;
}

function join(client: Socket, upstream: Socket, flow: Flow, mayBegin: (hello: ClientHello) => boolean): void {
  for (const [one, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    one.setTimeout(IDLE_MS, () => one.destroy());
    one.on('error', () => other.destroy());
    // What was read from the one still reaches the other.
    one.once('close', () => other.destroySoon());
  }
  // A server may speak first, where it isn't TLS.
  upstream.pipe(client);
  upstream.on('data', (chunk: Buffer) => flow.down(chunk.length));
  let first: Buffer = Buffer.alloc(0);
  const look = (chunk: Buffer): void => {
    first = Buffer.concat([first, chunk]);
    const hello = readClientHello(first);
    if (hello.kind === 'more') return;
    client.off('data', look).off('end', ended);
    client.pause();
    if (!mayBegin(hello)) {
      if (hello.kind === 'tls') client.write(ALERT);
      client.end();
      upstream.destroy();
      return;
    }
    client.unshift(first);
    client.pipe(upstream);
    client.on('data', (each: Buffer) => flow.up(each.length));
  };
  // An end without a word, or in the middle of one, is passed on as it is: nothing of it is TLS.
  const ended = (): void => void upstream.end();
  client.on('data', look).once('end', ended);
}
