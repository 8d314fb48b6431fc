import { createHash, randomBytes } from 'node:crypto';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '@capstan/test-support';
import { TestGateway } from '../gateway.fixture.js';
import { MAX_DELIVERY_BYTES } from './deliveries-door.js';

interface Arrived {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: number;
  readonly sha256: string;
}

describe('the door for deliveries', () => {
  let gateway: TestGateway;
  let webhooks: Server;
  let arrived: Arrived[] = [];
  beforeAll(async () => {
    webhooks = createServer((request, response) => {
      const hash = createHash('sha256');
      let bytes = 0;
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        hash.update(chunk);
      });
      request.once('end', () => {
        const { method, url, headers } = request;
        arrived.push({ method, url, headers, bytes, sha256: hash.digest('hex') });
        response.writeHead(202, { 'content-type': 'application/json', 'x-from': 'webhooks' }).end('{"stored":true}');
      });
    });
    await new Promise<void>((resolve) => webhooks.listen(0, '127.0.0.1', resolve));
    const { port } = webhooks.address() as AddressInfo;
    gateway = await TestGateway.start({ CAPSTAN_WEBHOOKS_URL: `http://127.0.0.1:${port}` });
  });
  beforeEach(() => {
    arrived = [];
  });
  afterAll(async () => {
    webhooks.closeAllConnections();
    webhooks.close();
    await gateway.close();
  });

  it('passes every byte and header on, whatever the name it was reached by', async () => {
    const raw = new Uint8Array(randomBytes(3_000_000));
    const headers = {
      'x-hub-signature-256': 'sha256=00',
      'x-github-delivery': 'd1',
      'content-type': 'application/x-odd',
    };
    const answer = await gateway.ask('POST', '/hooks/github/0190?x=1', {
      raw,
      headers: { ...headers, origin: 'https://f' },
    });
    expect([answer.status, answer.body, answer.headers.get('x-from')]).toEqual([202, { stored: true }, 'webhooks']);
    expect(arrived).toMatchObject([{ method: 'POST', url: '/hooks/github/0190?x=1', headers, bytes: raw.length }]);
    expect(arrived[0]!.sha256).toBe(createHash('sha256').update(raw).digest('hex'));
    expect(await underName(gateway.port, 'hooks.example.org')).toBe(202);
  });

  it('refuses more than 25 MB, announced or not', async () => {
    const answer = await gateway.ask('POST', '/hooks/github/x', { raw: new Uint8Array(MAX_DELIVERY_BYTES + 1) });
    expect(answer.status).toBe(413);
    expect(await streamed(gateway.port, MAX_DELIVERY_BYTES + 1)).toBe(413);
    expect(arrived).toEqual([]);
  });

  it('passes nothing else on', async () => {
    for (const path of ['/hooks', '/hooks/', '/hooksters/x', '/hooks/%2e%2e/api'])
      expect((await gateway.ask('POST', path, { raw: '{}' })).status).toBe(404);
    expect(arrived).toEqual([]);
  });

  it('says when to come back while nobody takes deliveries', async () => {
    const lonely = await TestGateway.start({ CAPSTAN_WEBHOOKS_URL: 'http://127.0.0.1:9' });
    try {
      const answer = await lonely.ask('POST', '/hooks/github/x', { raw: '{}' });
      expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([
        503,
        'webhooks_unavailable',
        '5',
      ]);
      await eventually(() => expect(lonely.errors()).toEqual([]));
    } finally {
      await lonely.close();
    }
  });
});

function underName(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, method: 'POST', path: '/hooks/github/x', headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.once('error', reject).end('{}');
  });
}

/** A chunked body: nobody knows its length before it ends. */
function streamed(port: number, bytes: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, method: 'POST', path: '/hooks/github/x' }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.once('error', reject);
    for (let left = bytes; left > 0; left -= 1_000_000) request.write(Buffer.alloc(Math.min(left, 1_000_000)));
    request.end();
  });
}
