import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Octokit } from '@octokit/rest';
import { eventually } from '../eventually.js';
import { processesOf } from '../left-behind.js';
import { gitEnvironment } from './git/process.js';
import { runRepositoryChecks, startGitHubDouble } from './index.js';
import type { GitHubDouble } from './index.js';
import { GitHubSchemas } from './schemas.js';

const run = promisify(execFile);
const APP = { owner: 'acme', repo: 'app' };
const FULL = 'acme/app';
const SECRET = 'a webhook secret';

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly raw: string;
}

let root: string;
let double: GitHubDouble;
let token: string;
let api: Octokit;
let receiver: Server;
let received: Received[];
/** How far GitHub's clock is ahead of ours; its times are whole seconds, for which nothing should have to wait. */
let laterMs: number;

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const client = (auth: string | undefined): Octokit =>
  new Octokit({ ...(auth ? { auth } : {}), baseUrl: double.apiUrl, log: quiet });

/** Status and body of a call that is to fail. */
async function refusal(call: Promise<unknown>): Promise<{ status: number; body: Record<string, unknown> }> {
  try {
    await call;
  } catch (error) {
    const { status, response } = error as { status: number; response?: { data: Record<string, unknown> } };
    return { status, body: response?.data ?? {} };
  }
  throw new Error('it was not refused');
}

async function git(cwd: string, ...args: string[]): Promise<string> {
  return (await run('git', args, { cwd, env: gitEnvironment() })).stdout;
}

const remote = (secret = token, name = FULL): string =>
  `${double.url.replace('//', `//x-access-token:${secret}@`)}/${name}.git`;

async function clone(): Promise<string> {
  const dir = await mkdtemp(join(root, 'clone-'));
  await git(root, 'clone', '--quiet', remote(), dir);
  return dir;
}

/** Commits one file on a branch from main and pushes it with real git; answers the head. */
async function push(dir: string, branch: string, file: string, text: string): Promise<string> {
  await git(dir, 'checkout', '--quiet', '-B', branch);
  await writeFile(join(dir, file), text);
  await git(dir, 'add', '-A');
  await git(dir, 'commit', '--quiet', '-m', `Write ${file}`);
  await git(dir, 'push', '--quiet', 'origin', branch);
  return (await git(dir, 'rev-parse', 'HEAD')).trim();
}

async function openPull(branch: string, body = ''): Promise<number> {
  return (await api.pulls.create({ ...APP, title: `Do ${branch}`, head: branch, base: 'main', body })).data.number;
}

const pull = async (number: number) => (await api.pulls.get({ ...APP, pull_number: number })).data;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'github-double-'));
  receiver = createServer((request, response) => {
    let raw = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (raw += chunk));
    request.on('end', () => {
      received.push({ headers: request.headers, raw });
      response.end('thanks');
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  await new Promise((resolve) => receiver.close(resolve));
  await rm(root, { recursive: true, force: true });
});

beforeEach(async () => {
  received = [];
  laterMs = 0;
  double = await startGitHubDouble({ dir: await mkdtemp(join(root, 'double-')), now: () => Date.now() + laterMs });
  await double.createRepository(FULL, { files: { 'README.md': '# App\n', 'src/a.txt': 'one\ntwo\nthree\n' } });
  token = double.createToken({ login: 'capstan-bot' });
  api = client(token);
});

afterEach(async () => {
  await double.settled();
  const faults = [...double.faultsOfOurs];
  await double.close();
  expect(faults).toEqual([]);
});

function subscribe(...events: string[]): number {
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  return double.createWebhook(FULL, { url, secret: SECRET, events });
}

const names = (): string[] =>
  received.map(({ headers, raw }) => {
    const { action } = JSON.parse(raw) as { action?: string };
    return `${String(headers['x-github-event'])}${action ? `.${action}` : ''}`;
  });

describe('tokens', () => {
  it('refuses what it does not know, reads in public and writes only with permission', async () => {
    expect(await refusal(client('nonsense').repos.get(APP))).toMatchObject({
      status: 401,
      body: { message: 'Bad credentials' },
    });
    const reader = client(double.createToken({ login: 'reader', permissions: 'read' }));
    expect((await reader.repos.get(APP)).data.permissions).toMatchObject({ push: false, pull: true });
    expect(await refusal(reader.issues.create({ ...APP, title: 'No' }))).toMatchObject({
      status: 403,
      body: { message: 'Resource not accessible by personal access token' },
    });
    expect((await refusal(client(undefined).issues.create({ ...APP, title: 'No' }))).status).toBe(401);
  });

  it('hides private repositories from other tokens, over REST and git', async () => {
    await double.createRepository('acme/hidden', { files: { a: 'a' }, private: true });
    const other = double.createToken({ login: 'other', repositories: [FULL] });
    expect((await refusal(client(other).repos.get({ owner: 'acme', repo: 'hidden' }))).status).toBe(404);
    await expect(git(root, 'ls-remote', remote(other, 'acme/hidden'))).rejects.toThrow(/not found/i);
    expect(await git(root, 'ls-remote', remote(token, 'acme/hidden'))).toContain('refs/heads/main');
  });

  it('lets no push through without a token that may write', async () => {
    const dir = await clone();
    const reader = double.createToken({ login: 'reader', permissions: 'read' });
    await expect(git(dir, 'push', remote(reader), 'HEAD:refs/heads/x')).rejects.toThrow(/403|denied/);
    await expect(git(dir, 'push', remote('bad'), 'HEAD:refs/heads/x')).rejects.toThrow();
    await expect(git(dir, 'push', `${double.url}/${FULL}.git`, 'HEAD:refs/heads/x')).rejects.toThrow();
    expect((await api.repos.listBranches(APP)).data.map((branch) => branch.name)).toEqual(['main']);
  });
});

describe('a pull request', () => {
  it('goes from a real push to a real merge that closes its issue', async () => {
    const issue = await double.createIssue(FULL, { title: 'Broken', labels: ['capstan'], author: 'ann' });
    const dir = await clone();
    const first = await push(dir, 'fix/it', 'b.txt', 'b\n');
    const number = await openPull('fix/it', `Fixes #${issue}`);
    expect(await pull(number)).toMatchObject({ mergeable: true, mergeable_state: 'clean', commits: 1, additions: 1 });

    const second = await push(dir, 'fix/it', 'c.txt', 'c\n');
    expect(await pull(number)).toMatchObject({ head: { sha: second }, mergeable: null, mergeable_state: 'unknown' });
    expect(await pull(number)).toMatchObject({ mergeable_state: 'clean', changed_files: 2 });
    const files = (await api.pulls.listFiles({ ...APP, pull_number: number })).data;
    expect(files.map((file) => [file.filename, file.status, file.patch])).toEqual([
      ['b.txt', 'added', '@@ -0,0 +1 @@\n+b'],
      ['c.txt', 'added', '@@ -0,0 +1 @@\n+c'],
    ]);

    const stale = await refusal(api.pulls.merge({ ...APP, pull_number: number, sha: first }));
    expect(stale).toMatchObject({
      status: 409,
      body: { message: 'Head branch was modified. Review and try the merge again.' },
    });
    const merged = (await api.pulls.merge({ ...APP, pull_number: number, sha: second, merge_method: 'squash' })).data;
    expect(await git(root, 'ls-remote', remote(), 'refs/heads/main')).toContain(merged.sha);
    expect(await pull(number)).toMatchObject({ merged: true, state: 'closed', merge_commit_sha: merged.sha });
    expect((await api.issues.get({ ...APP, issue_number: issue })).data.state).toBe('closed');
    await git(dir, 'fetch', '--quiet', 'origin', 'main');
    expect(await git(dir, 'show', 'FETCH_HEAD:c.txt')).toBe('c\n');
    expect((await refusal(api.pulls.merge({ ...APP, pull_number: number }))).status).toBe(405);
  });

  it.each(['merge', 'rebase'] as const)('merges by %s with the history that this makes', async (method) => {
    const dir = await clone();
    await push(dir, 'two', 'b.txt', 'b\n');
    await push(dir, 'two', 'c.txt', 'c\n');
    await double.actingAs('ann').pushFile(FULL, 'main', 'other.txt', 'other\n');
    const number = await openPull('two');
    const { sha } = (await api.pulls.merge({ ...APP, pull_number: number, merge_method: method })).data;
    const commit = (await api.repos.getCommit({ ...APP, ref: sha })).data;
    expect(commit.parents).toHaveLength(method === 'merge' ? 2 : 1);
    const log = (await api.repos.listCommits({ ...APP, sha: 'main' })).data.map((entry) => entry.commit.message);
    expect(log.filter((message) => message.startsWith('Write'))).toEqual(['Write c.txt', 'Write b.txt']);
    await git(dir, 'fetch', '--quiet', 'origin', 'main');
    expect((await git(dir, 'ls-tree', '-r', '--name-only', 'FETCH_HEAD')).split('\n')).toEqual(
      expect.arrayContaining(['b.txt', 'c.txt', 'other.txt']),
    );
  });

  it('is dirty on a real conflict and cannot be merged then', async () => {
    const dir = await clone();
    await push(dir, 'left', 'src/a.txt', 'left\n');
    const number = await openPull('left');
    await double.actingAs('ann').pushFile(FULL, 'main', 'src/a.txt', 'right\n');
    expect((await pull(number)).mergeable_state).toBe('unknown');
    expect(await pull(number)).toMatchObject({ mergeable: false, mergeable_state: 'dirty' });
    for (const merge_method of ['merge', 'squash', 'rebase'] as const) {
      const answer = await refusal(api.pulls.merge({ ...APP, pull_number: number, merge_method }));
      expect(answer).toMatchObject({ status: 405, body: { message: 'Pull Request is not mergeable' } });
    }
  });

  it('is refused in GitHub’s words: twin, unknown branches, nothing to merge, own approval', async () => {
    const dir = await clone();
    await push(dir, 'one', 'b.txt', 'b\n');
    const number = await openPull('one');
    const create = (head: string, base = 'main') => refusal(api.pulls.create({ ...APP, title: 'x', head, base }));
    const message = (text: string) => ({ status: 422, body: { errors: [{ code: 'custom', message: text }] } });
    expect(await create('one')).toMatchObject(message('A pull request already exists for acme:one.'));
    expect(await create('nowhere')).toMatchObject({ body: { errors: [{ field: 'head', code: 'invalid' }] } });
    expect(await create('one', 'nowhere')).toMatchObject({ body: { errors: [{ field: 'base', code: 'invalid' }] } });
    await git(dir, 'push', '--quiet', 'origin', 'origin/main:refs/heads/empty');
    expect(await create('empty')).toMatchObject(message('No commits between main and empty'));
    const own = refusal(api.pulls.createReview({ ...APP, pull_number: number, event: 'APPROVE' }));
    expect((await own).status).toBe(422);
  });

  it('closes with its branch, reopens with it, and is found by its head', async () => {
    const dir = await clone();
    await push(dir, 'one', 'b.txt', 'b\n');
    const number = await openPull('one');
    expect((await api.pulls.list({ ...APP, head: 'acme:one' })).data.map((entry) => entry.number)).toEqual([number]);
    await git(dir, 'push', '--quiet', 'origin', ':one');
    expect((await pull(number)).state).toBe('closed');
    expect((await refusal(api.pulls.update({ ...APP, pull_number: number, state: 'open' }))).status).toBe(422);
    await git(dir, 'push', '--quiet', 'origin', 'one');
    expect((await api.pulls.update({ ...APP, pull_number: number, state: 'open' })).data.state).toBe('open');
  });

  it('counts as merged once the base holds its head by a push', async () => {
    const dir = await clone();
    const head = await push(dir, 'one', 'b.txt', 'b\n');
    const number = await openPull('one');
    await git(dir, 'push', '--quiet', 'origin', 'one:main');
    expect(await pull(number)).toMatchObject({
      merged: true,
      merge_commit_sha: head,
      merged_by: { login: 'capstan-bot' },
    });
  });

  it('waits for required checks and approvals, and for the base where the rules say so', async () => {
    double.branchRules(FULL, 'main', { requiredChecks: ['test', 'lint'], requiredApprovals: 1, requireUpToDate: true });
    const rules = (await api.repos.getBranchRules({ ...APP, branch: 'main' })).data;
    expect(rules.map((rule) => rule.type)).toEqual(['required_status_checks', 'pull_request']);
    expect((await refusal(api.repos.getBranchProtection({ ...APP, branch: 'main' }))).status).toBe(403);
    const head = await push(await clone(), 'one', 'b.txt', 'b\n');
    const number = await openPull('one');
    const state = async () => (await pull(number)).mergeable_state;
    expect(await state()).toBe('blocked');
    const refused = await refusal(api.pulls.merge({ ...APP, pull_number: number }));
    expect(refused.status).toBe(405);
    expect(refused.body['message']).toContain('Required status check "test" is expected.');

    const check = await api.checks.create({ ...APP, name: 'test', head_sha: head, status: 'in_progress' });
    await api.checks.update({ ...APP, check_run_id: check.data.id, conclusion: 'success' });
    await api.repos.createCommitStatus({ ...APP, sha: head, context: 'lint', state: 'success' });
    expect((await api.repos.getCombinedStatusForRef({ ...APP, ref: 'one' })).data.state).toBe('success');
    expect(await state()).toBe('blocked');
    double.actingAs('ann').review(FULL, number, 'REQUEST_CHANGES', 'Not yet');
    expect((await refusal(api.pulls.merge({ ...APP, pull_number: number }))).body['message']).toContain('Changes');
    double.actingAs('ann').review(FULL, number, 'APPROVE');
    expect(await state()).toBe('clean');
    await double.actingAs('ci').setStatus(FULL, head, 'extra', 'failure');
    expect(await state()).toBe('unstable');
    await double.actingAs('ann').pushFile(FULL, 'main', 'z.txt', 'z\n');
    expect([await state(), await state()]).toEqual(['unknown', 'behind']);
    expect((await refusal(api.pulls.merge({ ...APP, pull_number: number }))).status).toBe(405);
    const suites = (await api.checks.listSuitesForRef({ ...APP, ref: head })).data;
    expect(suites.check_suites.map((suite) => suite.conclusion)).toEqual(['success']);
    expect((await api.checks.listForRef({ ...APP, ref: 'one' })).data.total_count).toBe(1);
    expect((await api.pulls.listReviews({ ...APP, pull_number: number })).data).toHaveLength(2);
  });

  it('is updated by what is said and done about it, and not by checks or by its base', async () => {
    const head = await push(await clone(), 'one', 'b.txt', 'b\n');
    const number = await openPull('one');
    const rises = async (work: () => unknown) => {
      const before = (await pull(number)).updated_at;
      laterMs += 3_600_000;
      await work();
      return (await pull(number)).updated_at > before;
    };
    const ann = double.actingAs('ann');
    expect(await rises(() => api.checks.create({ ...APP, name: 'test', head_sha: head, conclusion: 'success' }))).toBe(
      false,
    );
    expect(await rises(() => ann.setStatus(FULL, head, 'lint', 'success'))).toBe(false);
    expect(await rises(() => ann.pushFile(FULL, 'main', 'z.txt', 'z\n'))).toBe(false);
    expect(await rises(() => ann.review(FULL, number, 'APPROVE'))).toBe(true);
    expect(await rises(() => ann.comment(FULL, number, 'By the way'))).toBe(true);
    expect(await rises(() => ann.label(FULL, number, 'bug'))).toBe(true);
    expect(await rises(() => ann.unlabel(FULL, number, 'bug'))).toBe(true);
    expect(await rises(() => api.issues.update({ ...APP, issue_number: number, title: 'Other' }))).toBe(true);
    expect(await rises(() => ann.pushFile(FULL, 'one', 'c.txt', 'c\n'))).toBe(true);
    expect(await rises(() => ann.close(FULL, number))).toBe(true);
    expect(await rises(() => ann.reopenIssue(FULL, number))).toBe(true);
    expect(await rises(() => ann.merge(FULL, number))).toBe(true);
  }, 30_000);
});

describe('issues', () => {
  it('list by label, state and time, in pages', async () => {
    for (let index = 1; index <= 5; index += 1) {
      await double.createIssue(FULL, { title: `Issue ${index}`, labels: index === 3 ? ['other'] : ['capstan'] });
    }
    const page = await api.issues.listForRepo({
      ...APP,
      labels: 'capstan',
      per_page: 3,
      sort: 'updated',
      direction: 'asc',
    });
    expect(page.data.map((issue) => issue.number)).toEqual([1, 2, 4]);
    expect(page.headers.link).toContain('rel="next"');
    const all = await api.paginate(api.issues.listForRepo, { ...APP, labels: 'capstan', per_page: 3 });
    expect(all).toHaveLength(4);
    const future = new Date(Date.now() + 60_000).toISOString();
    expect((await api.issues.listForRepo({ ...APP, since: future })).data).toEqual([]);
  });

  it('remember comments, labels and each reopening', async () => {
    const issue_number = await double.createIssue(FULL, { title: 'Broken', body: 'Badly', labels: ['capstan'] });
    const comment = (await api.issues.createComment({ ...APP, issue_number, body: 'Picked up' })).data;
    await api.issues.updateComment({ ...APP, comment_id: comment.id, body: 'Done' });
    double.actingAs('ann').comment(FULL, issue_number, 'Thanks');
    const comments = (await api.issues.listComments({ ...APP, issue_number })).data;
    expect(comments.map((entry) => [entry.user?.login, entry.body])).toEqual([
      ['capstan-bot', 'Done'],
      ['ann', 'Thanks'],
    ]);
    await api.issues.deleteComment({ ...APP, comment_id: comment.id });
    expect((await refusal(api.issues.getComment({ ...APP, comment_id: comment.id }))).status).toBe(404);
    await api.issues.addLabels({ ...APP, issue_number, labels: ['working'] });
    await api.issues.removeLabel({ ...APP, issue_number, name: 'capstan' });
    await api.issues.update({ ...APP, issue_number, state: 'closed', state_reason: 'completed' });
    await double.actingAs('ann').reopenIssue(FULL, issue_number);
    const issue = (await api.issues.get({ ...APP, issue_number })).data;
    expect(issue).toMatchObject({ state: 'open', state_reason: 'reopened', labels: [{ name: 'working' }] });
    const events = (await api.issues.listEvents({ ...APP, issue_number })).data;
    expect(events.map((event) => event.event)).toEqual(['labeled', 'labeled', 'unlabeled', 'closed', 'reopened']);
    expect(events.at(-1)?.actor?.login).toBe('ann');
  });
});

describe('limits and faults', () => {
  it('answers 304 to what did not change, and does not count it', async () => {
    const first = await api.repos.get(APP);
    const etag = first.headers.etag ?? '';
    const again = await refusal(api.repos.get({ ...APP, headers: { 'if-none-match': etag } }));
    expect(again.status).toBe(304);
    const remaining = (await api.rateLimit.get()).data.rate.remaining;
    expect(remaining).toBe(Number(first.headers['x-ratelimit-remaining']));
    await double.createIssue(FULL, { title: 'Something new' });
    expect((await api.repos.get({ ...APP, headers: { 'if-none-match': etag } })).status).toBe(200);
    const conditional = double.journal.filter((entry) => entry.kind === 'request' && entry.conditional);
    expect(conditional.map((entry) => entry.kind === 'request' && entry.status)).toEqual([304, 200]);
  });

  it('runs out of requests', async () => {
    const small = await startGitHubDouble({ dir: join(root, 'small'), rateLimit: 2, validate: false });
    try {
      const hasty = new Octokit({ auth: small.createToken({ login: 'hasty' }), baseUrl: small.url, log: quiet });
      await hasty.users.getAuthenticated();
      await hasty.users.getAuthenticated();
      const answer = await refusal(hasty.users.getAuthenticated());
      expect(answer.status).toBe(403);
      expect(answer.body['message']).toMatch(/^API rate limit exceeded for user ID/);
    } finally {
      await small.close();
    }
  });

  it('strikes as ordered, and as often', async () => {
    double.inject({ path: /\/issues/, times: 2, status: 502, message: 'Bad gateway' });
    double.inject({
      path: '/repos/acme/app/pulls',
      status: 403,
      headers: { 'retry-after': '7' },
      message: 'secondary',
    });
    expect((await refusal(api.issues.listForRepo(APP))).status).toBe(502);
    expect((await refusal(api.issues.listForRepo(APP))).status).toBe(502);
    expect((await api.issues.listForRepo(APP)).status).toBe(200);
    expect(await refusal(api.pulls.list(APP))).toMatchObject({ status: 403, body: { message: 'secondary' } });
  });

  it('keeps a client waiting in vain for the answer to what was done', async () => {
    double.inject({ method: 'POST', path: '/repos/acme/app/issues', afterExecution: true, holdAnswerMs: 60_000 });
    const request = { signal: AbortSignal.timeout(100) };
    await expect(api.issues.create({ ...APP, title: 'Slow', request })).rejects.toThrow();
    expect((await api.issues.listForRepo(APP)).data.map((issue) => issue.title)).toEqual(['Slow']);
  });

  it('lets a repository go on whose pushes were given up, at work and in the queue', async () => {
    const dir = await clone();
    const { hostname, port } = new URL(double.url);
    const half = async (): Promise<Socket> => {
      const socket = connect(Number(port), hostname);
      const login = Buffer.from(`x:${double.createToken({ login: 'capstan-bot' })}`).toString('base64');
      socket.write(
        `POST /${FULL}.git/git-receive-pack HTTP/1.1\r\nhost: x\r\nauthorization: Basic ${login}\r\n` +
          'content-type: application/x-git-receive-pack-request\r\ncontent-length: 1000\r\n\r\n00',
      );
      await new Promise((resolve) => socket.once('connect', resolve));
      return socket;
    };
    const pushes = [await half(), await half()];
    await eventually(() => processesOf(root).some(({ command }) => command.includes('receive-pack')));
    for (const each of pushes.reverse()) each.destroy();
    await push(dir, 'after', 'b.txt', 'b\n');
    expect(double.journal.filter(({ kind }) => kind === 'push')).toHaveLength(1);
  });

  it('loses an answer after having done the work, over REST and git', async () => {
    double.inject({ method: 'POST', path: '/repos/acme/app/issues', afterExecution: true });
    await expect(api.issues.create({ ...APP, title: 'Once' })).rejects.toThrow();
    expect((await api.issues.listForRepo(APP)).data.map((issue) => issue.title)).toEqual(['Once']);
    const dir = await clone();
    double.inject({ path: /git-receive-pack$/, method: 'POST', afterExecution: true });
    await expect(push(dir, 'lost', 'b.txt', 'b\n')).rejects.toThrow();
    const head = (await git(dir, 'rev-parse', 'HEAD')).trim();
    expect((await api.git.getRef({ ...APP, ref: 'heads/lost' })).data.object.sha).toBe(head);
    expect(double.journal.filter((entry) => entry.kind === 'push')).toMatchObject([
      { ref: 'refs/heads/lost', after: head, login: 'capstan-bot' },
    ]);
  });
});

describe('webhooks', () => {
  it('tell everything that happens, signed, each with its own id', async () => {
    subscribe('*');
    const dir = await clone();
    const issue = await double.createIssue(FULL, { title: 'Broken', labels: ['capstan'] });
    const head = await push(dir, 'one', 'b.txt', 'b\n');
    const number = await openPull('one', `Fixes #${issue}`);
    await push(dir, 'one', 'c.txt', 'c\n');
    const ann = double.actingAs('ann');
    ann.comment(FULL, issue, 'Hello');
    ann.review(FULL, number, 'APPROVE');
    await api.checks.create({ ...APP, name: 'test', head_sha: head, conclusion: 'success' });
    await ann.setStatus(FULL, head, 'lint', 'success');
    await ann.merge(FULL, number);
    await ann.reopenIssue(FULL, issue);
    await ann.deleteBranch(FULL, 'one');
    await double.settled();
    expect(new Set(names())).toEqual(
      new Set([
        ...['ping', 'push', 'status', 'issues.opened', 'issues.labeled', 'issues.closed', 'issues.reopened'],
        ...['issue_comment.created', 'pull_request.opened', 'pull_request.synchronize', 'pull_request.closed'],
        ...['pull_request_review.submitted', 'check_run.created', 'check_run.completed'],
      ]),
    );
    for (const { headers, raw } of received) {
      const expected = `sha256=${createHmac('sha256', SECRET).update(raw).digest('hex')}`;
      expect(headers['x-hub-signature-256']).toBe(expected);
    }
    expect(new Set(received.map(({ headers }) => headers['x-github-delivery'])).size).toBe(received.length);
  });

  it('are lost, doubled, and wrongly signed as ordered, and can be sent again', async () => {
    const hook_id = subscribe('issues');
    await double.settled();
    double.inject({ path: 'issues.opened', dropWebhooks: true });
    await double.createIssue(FULL, { title: 'Unheard' });
    await double.settled();
    expect(names()).toEqual(['ping']);

    const deliveries = (await api.repos.listWebhookDeliveries({ ...APP, hook_id })).data;
    expect(deliveries.map((delivery) => delivery.status_code)).toEqual([0, 200]);
    const delivery_id = deliveries[0]?.id ?? 0;
    await api.repos.redeliverWebhookDelivery({ ...APP, hook_id, delivery_id });
    await eventually(() => names().includes('issues.opened'));
    const record = (await api.repos.getWebhookDelivery({ ...APP, hook_id, delivery_id })).data;
    expect(received.at(-1)?.headers['x-github-delivery']).toBe(record.guid);

    received = [];
    double.inject({ path: 'issues', duplicateWebhooks: true });
    await double.createIssue(FULL, { title: 'Twice' });
    await double.settled();
    expect(new Set(received.map(({ headers }) => headers['x-github-delivery'])).size).toBe(1);
    expect(received).toHaveLength(2);

    received = [];
    double.inject({ path: 'issues', badSignature: true });
    await double.createIssue(FULL, { title: 'Forged' });
    await double.settled();
    const right = createHmac('sha256', SECRET)
      .update(received[0]?.raw ?? '')
      .digest('hex');
    expect(received[0]?.headers['x-hub-signature-256']).not.toBe(`sha256=${right}`);
  });

  it('overtake one another when each is late by another time', async () => {
    subscribe('issues');
    await double.settled();
    received = [];
    const delays = [400, 1];
    double.inject({ path: 'issues', times: 2, delayWebhooksMs: () => delays.shift()! });
    for (const title of ['First', 'Second']) await double.createIssue(FULL, { title });
    await double.settled();
    const titles = received.map(({ raw }) => (JSON.parse(raw.toString()) as { issue: { title: string } }).issue.title);
    expect(titles).toEqual(['Second', 'First']);
  });

  it('are subscribed to over REST', async () => {
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/rest`;
    const config = { url, secret: SECRET, content_type: 'json' };
    const hook = (await api.repos.createWebhook({ ...APP, config, events: ['issues'] })).data;
    expect(hook.config.secret).toBe('********');
    await eventually(() => names().includes('ping'));
    await api.repos.deleteWebhook({ ...APP, hook_id: hook.id });
    expect((await api.repos.listWebhooks(APP)).data).toEqual([]);
  });
});

describe('the check against GitHub’s description', () => {
  it('finds what is missing or of the wrong kind', async () => {
    const schemas = new GitHubSchemas();
    const good = (await api.repos.get(APP)).data as unknown as Record<string, unknown>;
    const template = '/repos/{owner}/{repo}';
    expect(await schemas.answerFaults('GET', template, 200, good)).toEqual([]);
    const { clone_url: _gone, ...without } = good;
    expect((await schemas.answerFaults('GET', template, 200, without)).join()).toContain('clone_url');
    expect((await schemas.answerFaults('GET', template, 200, { ...good, id: 'x' })).join()).toContain('/id');
    expect(await schemas.answerFaults('GET', template, 299, good)).toHaveLength(1);
    expect((await schemas.webhookFaults('issues', 'opened', { action: 'opened' })).join()).toContain('repository');
    expect(await schemas.webhookFaults('issues', 'eaten', {})).toHaveLength(1);
  });
});

describe('the CI', () => {
  it('really runs the command on each push and reports its end and its log', async () => {
    const checks = runRepositoryChecks(double, { command: ['sh', 'test.sh'], checkName: 'test' });
    try {
      const dir = await clone();
      const red = await push(dir, 'one', 'test.sh', 'echo one is not two; exit 3\n');
      await checks.idle();
      const green = await push(dir, 'one', 'test.sh', 'cat README.md\n');
      await checks.idle();
      const runOf = async (ref: string) => (await api.checks.listForRef({ ...APP, ref })).data.check_runs[0];
      expect(await runOf(red)).toMatchObject({ status: 'completed', conclusion: 'failure' });
      expect((await runOf(red))?.output.summary).toContain('one is not two');
      expect(await runOf(green)).toMatchObject({ conclusion: 'success', output: { text: '# App\n' } });
    } finally {
      await checks.close();
    }
  });

  it('leaves no process behind when it is closed in the middle', async () => {
    const checks = runRepositoryChecks(double, { command: ['sh', 'test.sh'], checkName: 'test' });
    const pidFile = join(root, 'pid');
    const script = `sleep 300 &\necho $! > '${pidFile}.part'\nmv '${pidFile}.part' '${pidFile}'\nwait\n`;
    await push(await clone(), 'slow', 'test.sh', script);
    const pid = Number(await eventually(() => readFile(pidFile, 'utf8')));
    expect(() => process.kill(pid, 0)).not.toThrow();
    await checks.close();
    // An orphan that nobody has reaped yet still has a number, but runs no more.
    const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
    expect(state.slice(state.lastIndexOf(')') + 2, state.lastIndexOf(')') + 3)).toBe('Z');
  });
});
