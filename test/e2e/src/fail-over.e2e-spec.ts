import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { ModelOrder, RunNetwork, TaskDetail } from '@capstan/api';
import { aSystem, eventually, type System } from '@capstan/test-support';

/** Asks a model once, as a provider's program does, and says what came of it. */
const AGENT = `
const door = new URL(process.env.HTTP_PROXY);
const answer = await fetch(door.origin + '/model/openai/responses', {
  method: 'POST',
  headers: { authorization: 'Bearer ' + door.password, 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'gpt-x', input: 'Say hello.' }),
});
console.log('answered ' + answer.status + ' ' + (await answer.text()));
`;

/** A provider of models that answers as it is told, and remembers what it was asked with. */
class Provider {
  readonly asked: { readonly atMs: number; readonly key: string; readonly body: string }[] = [];

  private constructor(
    readonly server: Server,
    private readonly answer: (response: ServerResponse) => void,
  ) {}

  static async start(answer: (response: ServerResponse) => void): Promise<Provider> {
    const server = createServer((request, response) => void provider.hear(request, response));
    const provider: Provider = new Provider(server, answer);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return provider;
  }

  get host(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  private async hear(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const key = String(request.headers.authorization);
    this.asked.push({ atMs: performance.now(), key, body: await text(request) });
    this.answer(response);
  }
}

describe('A run whose provider is at its limit', () => {
  let system: System;
  let limited: Provider;
  let standing: Provider;

  beforeAll(async () => {
    limited = await Provider.start((response) => void response.writeHead(429, { 'retry-after': '600' }).end('{}'));
    standing = await Provider.start(
      (response) =>
        void response
          .writeHead(200, { 'content-type': 'application/json' })
          .end('{"object":"response","model":"vendor/gpt-x","usage":{"input_tokens":7,"output_tokens":5}}'),
    );
    system = await aSystem({
      repositories: [
        {
          fullName: 'acme/app',
          settings: { agent: { agent: 'command', argv: ['node', '--input-type=module', '-e', AGENT] } },
        },
      ],
    });
  });
  afterAll(async () => {
    await system?.expectNothingLeft();
    limited.server.close();
    standing.server.close();
  });

  it('goes on with the next of the order that the workspace has set, within ten seconds, and says who answered', async () => {
    for (const name of ['LIMITED_KEY', 'STANDING_KEY'])
      await system.capstan.call('PUT', `/api/secrets/${name}`, { value: `spec-${name}-83c1f0a2` });
    const entry = ({ host }: Provider, secret: string, models: Record<string, string>) => ({
      ...{ kind: 'compatible', baseUrl: `http://${host}/v1`, secret, models },
    });
    const order = await system.capstan.call<ModelOrder>('PUT', '/api/model-orders/openai', {
      entries: [entry(limited, 'LIMITED_KEY', {}), entry(standing, 'STANDING_KEY', { 'gpt-x': 'vendor/gpt-x' })],
    });
    expect(order.unset).toEqual([]);
    const { id } = await system.capstan.call<{ id: string }>('POST', '/api/tasks', {
      repositoryId: system.repositoryId(),
      title: 'Say hello',
    });
    const runId = await eventually(async () => {
      const task = await system.get<TaskDetail>(`/api/tasks/${id}`);
      expect(task.state).toBe('needs_attention'); // it asked, and changed nothing
      return task.runs[0]!.id;
    }, 60_000);
    const { models } = await eventually(async () => {
      const network = await system.get<RunNetwork>(`/api/runs/${runId}/network`);
      expect(network.models).toHaveLength(1);
      return network;
    });
    expect(models[0]).toMatchObject({
      ...{ provider: standing.host, model: 'vendor/gpt-x', calls: 1, inputTokens: 7, outputTokens: 5, costUsd: null },
    });
    expect(limited.asked.map(({ key, body }) => [key, JSON.parse(body) as unknown])).toEqual([
      ['Bearer spec-LIMITED_KEY-83c1f0a2', { model: 'gpt-x', input: 'Say hello.' }],
    ]);
    expect(standing.asked.map(({ key, body }) => [key, JSON.parse(body) as unknown])).toEqual([
      ['Bearer spec-STANDING_KEY-83c1f0a2', { model: 'vendor/gpt-x', input: 'Say hello.' }],
    ]);
    expect(standing.asked[0]!.atMs - limited.asked[0]!.atMs).toBeLessThan(10_000);
  });
});
