import { createHash } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TicketConnection } from '../ticket.port.js';
import { createGitHubIssues } from './github-issues.adapter.js';

interface StoredIssue {
  number: number;
  state: 'open' | 'closed';
  state_reason: string | null;
  updated_at: string;
  labels: { name: string }[];
  pull_request?: object;
}

/** A list of issues behind HTTP, with pages and tags as GitHub's; it knows nothing else of GitHub. */
let issues: StoredIssue[] = [];
let events: { event: string; created_at: string }[] = [];
let comments: { id: number; body: string; user: null; created_at: string }[] = [];
let requests: string[] = [];
let clock = 0;

function answer(response: ServerResponse, path: URL, tag: string | undefined, all: readonly object[]): void {
  const page = Number(path.searchParams.get('page') ?? '1');
  const size = Number(path.searchParams.get('per_page') ?? '30');
  const body = JSON.stringify(all.slice((page - 1) * size, page * size));
  const etag = `"${createHash('sha1').update(body).digest('hex')}"`;
  const link = page * size < all.length ? { link: `<http://x.test/?page=${page + 1}>; rel="next"` } : {};
  requests.push(`${path.pathname}?page=${page} ${tag === etag ? 304 : 200}`);
  if (tag === etag) return void response.writeHead(304, { etag }).end();
  response.writeHead(200, { 'content-type': 'application/json', etag, ...link }).end(body);
}

const server = createServer((request, response) => {
  const path = new URL(request.url!, 'http://x.test');
  const tag = request.headers['if-none-match'];
  if (path.pathname.endsWith('/events')) return answer(response, path, tag, events);
  if (path.pathname.endsWith('/comments')) return answer(response, path, tag, comments);
  const newestFirst = issues
    .filter(({ state }) => state === 'open')
    .sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1));
  answer(response, path, tag, newestFirst);
});

let connection: TicketConnection;
const github = createGitHubIssues();
const time = () => new Date(Date.UTC(2026, 0, 1) + (clock += 1_000)).toISOString();
function issue(number: number, change: Partial<StoredIssue> = {}): StoredIssue {
  const whole = {
    number,
    title: `Issue ${number}`,
    body: null,
    html_url: `http://x.test/${number}`,
    user: { login: 'ada' },
    state: 'open' as const,
    state_reason: null,
    created_at: '2026-01-01T00:00:00Z',
    updated_at: time(),
    labels: [{ name: 'Capstan' }],
  };
  return { ...whole, ...change };
}
const poll = (etag: string | null = null, label = 'capstan') => github.poll(connection, label, etag);
const statuses = () => requests.map((line) => line.split('page=')[1]);

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  connection = { project: 'acme/app', apiUrl, token: 't' };
});
beforeEach(() => {
  issues = [issue(1)];
  events = [];
  comments = [];
  requests = [];
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('poll', () => {
  it('reads a ticket whole', async () => {
    const { tickets } = await poll();
    expect(tickets).toEqual([
      {
        key: '1',
        url: 'http://x.test/1',
        title: 'Issue 1',
        body: '',
        state: 'open',
        labels: ['Capstan'],
        author: 'ada',
        updatedAt: issues[0]!.updated_at,
        openedAt: '2026-01-01T00:00:00Z',
      },
    ]);
  });

  it('answers null while nothing changed, also for another process', async () => {
    const { etag } = await poll();
    requests = [];
    expect(await poll(etag)).toEqual({ tickets: null, etag });
    expect(await createGitHubIssues().poll(connection, 'capstan', etag)).toEqual({ tickets: null, etag });
    expect(statuses()).toEqual(['1 304', '1 304']);
  });

  it('reads a changed page once', async () => {
    const { etag } = await poll();
    issues.push(issue(2));
    requests = [];
    const changed = await poll(etag);
    expect(changed.tickets?.map(({ key }) => key)).toEqual(['2', '1']);
    expect(statuses()).toEqual(['1 200']);
    expect(await poll(changed.etag)).toMatchObject({ tickets: null });
  });

  it('sees what leaves the second page, which the first does not show', async () => {
    issues = Array.from({ length: 150 }, (_, index) => issue(index + 1));
    const first = await poll();
    expect(first.tickets).toHaveLength(150);
    requests = [];
    expect(await poll(first.etag)).toMatchObject({ tickets: null });
    expect(statuses()).toEqual(['1 304', '2 304']);
    issues[10] = { ...issues[10]!, state: 'closed' };
    expect((await poll(first.etag)).tickets).toHaveLength(149);
  });

  it('sees a page that was added', async () => {
    issues = Array.from({ length: 100 }, (_, index) => issue(index + 1));
    const { etag } = await poll();
    issues.push(issue(101));
    expect((await poll(etag)).tickets).toHaveLength(101);
  });

  it('leaves out pull requests and other labels', async () => {
    issues = [issue(1, { pull_request: {} }), issue(2, { labels: [{ name: 'other' }] }), issue(3)];
    expect((await poll()).tickets?.map(({ key }) => key)).toEqual(['3']);
  });

  it('does not take the tag of another label or project', async () => {
    const { etag } = await poll();
    expect((await poll(etag, 'other')).tickets).toEqual([]);
    expect((await github.poll({ ...connection, project: 'acme/other' }, 'capstan', etag)).tickets).toHaveLength(1);
    expect((await poll('"something"')).tickets).toHaveLength(1);
  });

  it('dates a reopened ticket by its last opening', async () => {
    issues = [issue(1, { state_reason: 'reopened' })];
    events = [
      { event: 'closed', created_at: '2026-02-01T00:00:00Z' },
      { event: 'reopened', created_at: '2026-02-02T00:00:00Z' },
      { event: 'reopened', created_at: '2026-02-04T00:00:00Z' },
      { event: 'labeled', created_at: '2026-02-05T00:00:00Z' },
    ];
    expect((await poll()).tickets?.[0]?.openedAt).toBe('2026-02-04T00:00:00Z');
  });
});

describe('findComment', () => {
  const marker = '<!-- capstan:effect:1 -->';
  const comment = (id: number, body: string) => ({ id, body, user: null, created_at: time() });

  it('finds the oldest that ends with the marker, on any page', async () => {
    comments = Array.from({ length: 130 }, (_, index) => comment(index + 1, 'x'));
    comments.push(
      comment(131, `> ${marker}\n\nI quote.`),
      comment(132, `Done.\n${marker}\n`),
      comment(133, `Done.\n${marker}`),
    );
    expect(await github.findComment(connection, '1', marker)).toEqual({ id: '132' });
  });

  it('finds none in a quote', async () => {
    comments = [comment(1, `> ${marker}\n\nWhat is this?`)];
    expect(await github.findComment(connection, '1', marker)).toBeNull();
  });
});

it.each(['', '0', '-1', '1/../2', 'abc', '1e3'])('refuses the key %p without asking', async (key) => {
  await expect(github.ticket(connection, key)).rejects.toMatchObject({ name: 'UserError', code: 'remote_not_found' });
  expect(requests).toEqual([]);
});
