import type { IncomingMessage, ServerResponse } from 'node:http';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { outside, type Answer, type Outside } from '../egress.fixture.js';

/** What the double of a provider was asked. */
export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export type Script = (asked: Asked, response: ServerResponse) => void;

/**
 * A provider of models on loopback: answers as each spec scripts it. It doesn't imitate a model: bodies aren't checked,
 * and nothing is generated.
 */
export class ProviderDouble {
  readonly asked: Asked[] = [];
  script: Script = (_asked, response) => void response.writeHead(500).end();
  connections = 0;

  private constructor(readonly place: Outside) {}

  static async start(): Promise<ProviderDouble> {
    const place = await outside((asking, response) => void double.answer(asking, response));
    const double: ProviderDouble = new ProviderDouble(place);
    place.server.on('connection', () => (double.connections += 1));
    return double;
  }

  get url(): string {
    return `http://127.0.0.1:${this.place.port}`;
  }

  /** Which keys it was asked with, in order. */
  get keys(): readonly string[] {
    return this.asked.map(({ headers }) =>
      String(headers['x-api-key'] ?? headers['x-goog-api-key'] ?? headers.authorization?.replace(/^Bearer /, '')),
    );
  }

  private async answer(asking: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(asking).catch(() => '');
    const asked = { method: asking.method!, url: asking.url!, headers: asking.headers, body };
    this.asked.push(asked);
    this.script(asked, response);
  }
}

export const answerJson =
  (status: number, body: unknown, headers: Record<string, string> = {}): Script =>
  (_asked, response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

/** Answers with the events of a stream, at once. */
export const answerEvents =
  (events: readonly object[]): Script =>
  (_asked, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of events) response.write(sse(event));
    response.end();
  };

export function sse(event: object): string {
  const { type } = event as { type?: string };
  return `${type === undefined ? '' : `event: ${type}\n`}data: ${JSON.stringify(event)}\n\n`;
}

/** Calls a door as a provider's program does. */
export async function ask(
  url: string,
  headers: Record<string, string>,
  body: string | Buffer = '{}',
  method = 'POST',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, agent: false, headers: { 'content-type': 'application/json', ...headers } });
    asked.on('error', reject);
    asked.on('response', (answer) =>
      text(answer).then((said) => resolve({ status: answer.statusCode!, headers: answer.headers, body: said }), reject),
    );
    asked.end(method === 'GET' ? undefined : body);
  });
}
