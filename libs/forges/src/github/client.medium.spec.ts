import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GitHubClient, GitHubClients, ownerAndName } from './client.js';

/** What the server saw, and what it answers next: the last answer is repeated. */
let seen: { method: string; url: string; etag: string | undefined }[] = [];
let answers: ((request: IncomingMessage, response: ServerResponse) => void)[] = [];
let baseUrl = '';

const server = createServer((request, response) => {
  seen.push({ method: request.method!, url: request.url!, etag: request.headers['if-none-match'] });
  const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
  answer(request, response);
});
const json =
  (status: number, body: unknown, headers: Record<string, string> = {}) =>
  (_: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
const bare = (status: number) => (_: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(status).end();
const never = () => {};

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  seen = [];
  answers = [];
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const acme = { owner: 'acme', repo: 'app' };
const newClient = (timeoutMs = 5_000) => new GitHubClient(baseUrl, `t${Math.random()}`, { timeoutMs });
const read = (client: GitHubClient, signal?: AbortSignal) =>
  client.call('read', signal, (rest, request) => rest.repos.get({ ...acme, request }));
const write = (client: GitHubClient, signal?: AbortSignal) =>
  client.call('comment', signal, (rest, request) =>
    rest.issues.createComment({ ...acme, issue_number: 1, body: 'x', request }),
  );

it('answers an unchanged read from memory', async () => {
  const client = newClient();
  answers = [json(200, { id: 1 }, { etag: 'W/"a"' }), bare(304), json(200, { id: 2 }, { etag: 'W/"b"' }), bare(304)];
  expect((await read(client)).data).toEqual({ id: 1 });
  expect((await read(client)).data).toEqual({ id: 1 });
  expect((await read(client)).data).toEqual({ id: 2 });
  expect((await read(client)).data).toEqual({ id: 2 });
  expect(seen.map(({ etag }) => etag)).toEqual([undefined, 'W/"a"', 'W/"a"', 'W/"b"']);
});

it('gives up a list without end', async () => {
  answers = [json(200, [], { link: '<https://x.test/?page=2>; rel="next"' })];
  const client = newClient();
  const endless = client.pages('list issues', undefined, (rest, page) => rest.issues.listForRepo({ ...acme, ...page }));
  await expect(endless).rejects.toMatchObject({ name: 'UserError', code: 'too_much' });
});

it('keeps the pages of an unchanged list apart', async () => {
  const client = newClient();
  const next = { link: '<https://x.test?page=2>; rel="next"' };
  const pages = () =>
    client.pages('list', undefined, async (rest, page) => {
      const { data, headers } = await rest.checks.listForRef({ ...acme, ref: 'abc', ...page });
      return { data: data.check_runs, headers };
    });
  answers = [
    json(200, { total_count: 2, check_runs: [{ id: 1 }] }, { etag: '"1"', ...next }),
    json(200, { total_count: 2, check_runs: [{ id: 2 }] }, { etag: '"2"' }),
    bare(304),
  ];
  const first = await pages();
  expect(first.map(({ id }) => id)).toEqual([1, 2]);
  expect(await pages()).toEqual(first);
  expect(seen.map(({ etag }) => etag)).toEqual([undefined, undefined, '"1"', '"2"']);
});

it('repeats a failed read shortly', async () => {
  answers = [json(502, {}), json(200, { id: 1 })];
  expect((await read(newClient())).data).toEqual({ id: 1 });
});

it.each([500, 502, 503])('never repeats a write after %s', async (status) => {
  answers = [json(status, { message: 'oops' })];
  await expect(write(newClient())).rejects.toMatchObject({ name: 'TransientError', code: 'forge_unavailable' });
  expect(seen).toHaveLength(1);
});

it('never repeats a write whose connection broke', async () => {
  answers = [(request) => void request.socket.destroy()];
  await expect(write(newClient())).rejects.toMatchObject({ name: 'TransientError', code: 'forge_unreachable' });
  expect(seen).toHaveLength(1);
});

it('never waits for a limit to end, nor repeats into it', async () => {
  const limited = { message: 'You have exceeded a secondary rate limit' };
  answers = [json(403, limited, { 'retry-after': '30' })];
  await expect(read(newClient())).rejects.toMatchObject({ code: 'forge_rate_limited', retryAfterMs: 30_000 });
  await expect(write(newClient())).rejects.toMatchObject({ code: 'forge_rate_limited', retryAfterMs: 30_000 });
  expect(seen).toHaveLength(2);
});

it('gives up after its timeout', async () => {
  answers = [never];
  await expect(write(newClient(100))).rejects.toMatchObject({ name: 'TransientError', code: 'forge_timeout' });
  await expect(read(newClient(100))).rejects.toMatchObject({ name: 'TransientError', code: 'forge_timeout' });
  expect(seen).toHaveLength(2);
});

it('honours the signal, and sends nothing once it is aborted', async () => {
  answers = [never];
  await expect(write(newClient(), AbortSignal.abort())).rejects.toMatchObject({ code: 'forge_timeout' });
  expect(seen).toHaveLength(0);
  await expect(write(newClient(), AbortSignal.timeout(50))).rejects.toMatchObject({ code: 'forge_timeout' });
  expect(seen).toHaveLength(1);
});

it('sends no write later than its timeout, however long the queue is', async () => {
  const client = newClient(300);
  answers = [json(201, { id: 1 })];
  const ends = await Promise.allSettled(Array.from({ length: 25 }, () => write(client)));
  expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
  expect(ends.slice(20)).toEqual(
    Array.from({ length: 5 }, () => ({
      status: 'rejected',
      reason: expect.objectContaining({ code: 'forge_timeout' }) as Error,
    })),
  );
  expect(seen).toHaveLength(20);
});

it('tells that nobody is there', async () => {
  const client = new GitHubClient('http://127.0.0.1:1', 't', { timeoutMs: 2_000 });
  await expect(write(client)).rejects.toMatchObject({ name: 'TransientError', code: 'forge_unreachable' });
});

it('shares a client per address and token', () => {
  const clients = new GitHubClients();
  const one = clients.client({ apiUrl: 'https://api.test/', token: 'a' });
  expect(clients.client({ apiUrl: 'https://api.test', token: 'a' })).toBe(one);
  expect(clients.client({ apiUrl: 'https://api.test', token: 'b' })).not.toBe(one);
  expect(() => clients.client({ apiUrl: 'ftp://x', token: 'a' })).toThrow(
    expect.objectContaining({ code: 'address_invalid', field: 'apiUrl' }),
  );
});

it.each(['app', 'a/b/c', '/app', 'a/../b', 'a b/c'])('refuses the repository name %s', (name) => {
  expect(() => ownerAndName(name)).toThrow(expect.objectContaining({ name: 'UserError', field: 'fullName' }));
});
