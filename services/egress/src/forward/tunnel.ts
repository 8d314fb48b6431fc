import type { Socket } from 'node:net';
import { connectTo, unreachableHost, type Checked } from '../address/reach.js';
import type { Flow } from '../record/recorder.js';
import type { Refusal } from '../server/refusal.js';

/** A tunnel that is silent for so long is closed. ms */
const IDLE_MS = 15 * 60_000;

export interface Tunnel {
  readonly client: Socket;
  /** What the client sent with its request already. */
  readonly head: Buffer;
  readonly target: Checked;
  readonly flow: Flow;
  /** Told of what is refused after the tunnel stands. */
  readonly blocked: (refusal: Refusal) => void;
}

/** Connects to the checked addresses and passes bytes both ways. Answers a refusal when nobody answers there. */
export async function passTunnel({ client, head, target, flow }: Tunnel): Promise<Refusal | null> {
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
  join(client, upstream, flow);
  return null;
}

function join(client: Socket, upstream: Socket, flow: Flow): void {
  for (const [one, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    one.setTimeout(IDLE_MS, () => one.destroy());
    one.once('error', () => other.destroy());
    // What was read from the one still reaches the other.
    one.once('close', () => other.destroySoon());
    one.pipe(other);
  }
  client.on('data', (chunk: Buffer) => flow.up(chunk.length));
  upstream.on('data', (chunk: Buffer) => flow.down(chunk.length));
}
