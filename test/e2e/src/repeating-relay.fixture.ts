import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Received {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** How often each delivery is passed on. */
const TIMES = 3;
/** Latest moment that a copy is passed on, ms after it came. */
const LATEST_MS = 2_500;

/**
 * Stands between a forge and Capstan and does to deliveries what the world does: passes each on three times at random
 * moments, so that they overtake one another, and beside every third one a forged copy with another body.
 */
export class RepeatingRelay {
  /** Answers of Capstan by kind of copy. */
  readonly statuses = { genuine: [] as number[], forged: [] as number[] };
  received = 0;
  private readonly server: Server;
  private readonly underWay = new Set<Promise<void>>();
  private state = 42;

  constructor(private readonly to: () => string) {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        response.writeHead(202).end();
        this.repeat({ path: request.url ?? '/', headers: passedOn(request.headers), body: Buffer.concat(chunks) });
      });
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Resolves when every copy of what came so far is out. */
  async settled(): Promise<void> {
    while (this.underWay.size > 0) await Promise.all(this.underWay);
  }

  async close(): Promise<void> {
    await this.settled();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private repeat(delivery: Received): void {
    this.received += 1;
    for (let copy = 0; copy < TIMES; copy += 1) this.later(delivery, this.statuses.genuine);
    if (this.received % 3 !== 0) return;
    const forged = Buffer.from(delivery.body.toString().replace('"action":"', '"action": "'));
    const id = `${delivery.headers['x-github-delivery']}-forged`;
    this.later(
      {
        ...delivery,
        body: Buffer.concat([forged, Buffer.from(' ')]),
        headers: { ...delivery.headers, 'x-github-delivery': id },
      },
      this.statuses.forged,
    );
  }

  private later(delivery: Received, statuses: number[]): void {
    const work = (async () => {
      await new Promise((resolve) => setTimeout(resolve, this.random() * LATEST_MS));
      const answer = await fetch(this.to() + delivery.path, {
        method: 'POST',
        headers: delivery.headers,
        body: new Uint8Array(delivery.body),
      }).catch(() => undefined);
      statuses.push(answer?.status ?? 0);
      await answer?.arrayBuffer();
    })().finally(() => this.underWay.delete(work));
    this.underWay.add(work);
  }

  private random(): number {
    this.state = (this.state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return this.state / 2_147_483_648;
  }
}

function passedOn(headers: IncomingHttpHeaders): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => /^(x-|content-type|user-agent)/.test(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, String(value)]));
}
