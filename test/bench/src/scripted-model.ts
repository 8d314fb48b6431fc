import { Agent, createServer, request, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { wallMs } from './clock.js';

/** The key that only egress knows; the model answers to no other. */
export const MODEL_KEY = 'sk-bench-0d5be1f3a97c';

/**
 * A model of OpenAI's protocol that answers at once and says when: a whole answer, or a stream of numbered events, one each
 * `gapMs`. It understands nothing of what it is asked.
 */
export class ScriptedModel {
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(gapMs: number): Promise<ScriptedModel> {
    const server = createServer((asked, response) => {
      asked.resume().once('end', () => {
        if (asked.headers.authorization !== `Bearer ${MODEL_KEY}`) return void response.writeHead(401).end('{}');
        const count = Number(asked.headers['x-bench-events'] ?? 0);
        if (count === 0) {
          response.writeHead(200, { 'content-type': 'application/json' });
          return void response.end(
            '{"object":"response","model":"bench","usage":{"input_tokens":1,"output_tokens":1}}',
          );
        }
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        let number = 0;
        const tell = (): void => {
          number += 1;
          response.write(`data: {"number":${number},"at":${wallMs()}}\n\n`);
          if (number < count) setTimeout(tell, gapMs);
          else response.end();
        };
        tell();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ScriptedModel(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}

export interface Answered {
  readonly status: number;
  /** From before the request was made until its answer was there. ms */
  readonly wholeMs: number;
  /** Until the first byte of its body. ms */
  readonly firstMs: number;
  /** Of each event of a stream, from its making until it was read. ms */
  readonly lagsMs: readonly number[];
  /** Numbers of the events, as they came. */
  readonly numbers: readonly number[];
}

/** A client as providers' programs are, on connections that it keeps. */
export class ModelClient {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 4 });

  constructor(
    private readonly url: string,
    private readonly key: string,
  ) {}

  /** @param events of a stream; 0 for a whole answer */
  ask(body: string, events = 0): Promise<Answered> {
    const headers = {
      authorization: `Bearer ${this.key}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'x-bench-events': String(events),
    };
    return new Promise((resolve, reject) => {
      const begun = wallMs();
      const asking = request(`${this.url}/responses`, { method: 'POST', agent: this.agent, headers });
      asking.once('error', reject);
      asking.once('response', (answer) => void read(answer, begun).then(resolve, reject));
      asking.end(body);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

const EVENT = /data: \{"number":(\d+),"at":([\d.]+)\}\n\n/g;

async function read(answer: IncomingMessage, begun: number): Promise<Answered> {
  let firstMs: number | null = null;
  const [lagsMs, numbers]: [number[], number[]] = [[], []];
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const now = wallMs();
    firstMs ??= now - begun;
    for (const [, number, at] of chunk.toString('latin1').matchAll(EVENT)) {
      numbers.push(Number(number));
      lagsMs.push(now - Number(at));
    }
  }
  const wholeMs = wallMs() - begun;
  return { status: answer.statusCode!, wholeMs, firstMs: firstMs ?? wholeMs, lagsMs, numbers };
}
