import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, startGitHubDouble } from '@capstan/test-support';
import type { Forge, ForgeConnection, PullRequestView } from './forge.port.js';
import { forge, FORGE_NAMES } from './registry.js';

/** What a forge's double must offer to the suite: people and machines that act on one repository. */
interface ForgeStage {
  /** A connection with a token of its own, so that one test's writes don't slow down the next one's. */
  connect(): ForgeConnection;
  readonly login: string;
  /** May read the repository, and not write. */
  readonly readToken: string;
  /** Commits a file onto a branch, from main when it is new; gives the commit. */
  push(branch: string, path: string, text: string): Promise<string>;
  tip(branch: string): Promise<string>;
  /** Reports a check; null for one that runs. */
  check(sha: string, name: string, conclusion: string | null, summary?: string): Promise<unknown>;
  status(sha: string, context: string, state: 'pending' | 'success' | 'failure'): Promise<void>;
  requireChecks(names: readonly string[]): void;
  review(number: number, login: string, event: 'APPROVE' | 'REQUEST_CHANGES' | 'COMMENT', body: string): void;
  closeByHand(number: number, login: string): void;
  subscribe(url: string, secret: string): void;
  requests(): readonly { readonly method: string; readonly path: string; readonly status: number }[];
  /** Each gives back how to end it. */
  forbidChecks(): () => void;
  limit(seconds: number): () => void;
  loseNextAnswer(method: string): void;
  stop(): Promise<void>;
}

async function startGitHubStage(): Promise<ForgeStage> {
  const directory = await mkdtemp(join(tmpdir(), 'capstan-forge-'));
  const double = await startGitHubDouble({ dir: directory });
  const fullName = 'acme/app';
  const files = { 'README.md': 'App\n' };
  const { cloneUrl } = await double.createRepository(fullName, { files, private: true });
  const repositories = [fullName];
  const machine = double.createToken({ login: 'demo-ci', repositories });
  async function ask(method: string, path: string, body?: object): Promise<unknown> {
    const answer = await fetch(`${double.apiUrl}/repos/${fullName}${path}`, {
      method,
      headers: { authorization: `token ${machine}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }
  return {
    connect: () => ({
      fullName,
      apiUrl: double.apiUrl,
      cloneUrl,
      token: double.createToken({ login: 'capstan-bot', repositories }),
    }),
    login: 'capstan-bot',
    readToken: double.createToken({ login: 'reader', permissions: 'read', repositories }),
    push: (branch, path, text) => double.actingAs('ada').pushFile(fullName, branch, path, text),
    tip: async (branch) => ((await ask('GET', `/branches/${branch}`)) as { commit: { sha: string } }).commit.sha,
    check: (sha, check, conclusion, summary) =>
      ask('POST', '/check-runs', {
        name: check,
        head_sha: sha,
        ...(conclusion === null ? { status: 'in_progress' } : { status: 'completed', conclusion }),
        ...(summary && { output: { title: check, summary } }),
      }),
    status: (sha, context, state) => double.actingAs('demo-ci').setStatus(fullName, sha, context, state),
    requireChecks: (requiredChecks) => double.branchRules(fullName, 'main', { requiredChecks }),
    review: (number, login, event, body) => double.actingAs(login).review(fullName, number, event, body),
    closeByHand: (number, login) => double.actingAs(login).close(fullName, number),
    subscribe: (url, secret) => void double.createWebhook(fullName, { url, secret, events: ['*'] }),
    requests: () => double.journal.flatMap((entry) => (entry.kind === 'request' ? [entry] : [])),
    forbidChecks: () =>
      double.inject({
        path: /\/(check-runs|actions\/runs)/,
        times: Infinity,
        status: 403,
        message: 'Resource not accessible by personal access token',
      }),
    limit: (seconds) =>
      double.inject({
        times: Infinity,
        status: 403,
        message: 'You have exceeded a secondary rate limit.',
        headers: { 'retry-after': String(seconds) },
      }),
    loseNextAnswer: (method) => void double.inject({ method, afterExecution: true }),
    async stop() {
      await double.close();
      await rm(directory, { recursive: true, force: true });
      expect(double.faultsOfOurs).toEqual([]);
    },
  };
}

/** One line per forge. */
const STAGES: Readonly<Record<string, () => Promise<ForgeStage>>> = { github: startGitHubStage };

it('covers every forge of the registry', () => {
  expect(Object.keys(STAGES).sort()).toEqual([...FORGE_NAMES].sort());
  expect(() => forge('nowhere')).toThrow(expect.objectContaining({ code: 'forge_unknown', field: 'forge' }));
});

describe.each(Object.entries(STAGES))('%s', (name, startStage) => {
  let stage: ForgeStage;
  let git: Forge;
  let connection: ForgeConnection;
  let branches = 0;

  beforeAll(async () => {
    stage = await startStage();
    git = forge(name);
  });
  beforeEach(() => {
    connection = stage.connect();
  });
  afterAll(() => stage.stop());

  /** A branch with one commit, and its pull request. */
  async function opened(path = `file-${branches}.txt`, text = 'new\n') {
    branches += 1;
    const head = `capstan/work-${branches}`;
    const sha = await stage.push(head, path, text);
    const result = await git.open(connection, { title: 'Work', body: 'Body', head, base: 'main', draft: false });
    if (result.kind !== 'done') throw new Error(`not opened: ${result.reason}`);
    return { head, sha, number: result.value.number, pullRequest: result.value };
  }
  const view = (number: number) => git.view(connection, number);
  function known<T>(part: { known: true; value: T } | { known: false; reason: string }): T {
    if (!part.known) throw new Error(part.reason);
    return part.value;
  }
  const states = (seen: PullRequestView) => known(seen.checks).map(({ name: check, state }) => [check, state]);

  describe('repository', () => {
    it('is looked up', async () => {
      expect(await git.repository(connection)).toMatchObject({
        fullName: connection.fullName,
        defaultBranch: 'main',
        canPush: true,
      });
    });

    it.each([
      ['credential_refused', { token: 'wrong' }],
      ['remote_not_found', { fullName: 'acme/nothing-here' }],
    ])('%s', async (code, change) => {
      await expect(git.repository({ ...connection, ...change })).rejects.toMatchObject({
        name: 'UserError',
        code,
        remedy: expect.any(String) as string,
      });
    });
  });

  describe('open', () => {
    it('opens one that can be found by its head', async () => {
      const { head, sha, number, pullRequest } = await opened();
      expect(pullRequest).toMatchObject({ state: 'open', merged: false, headSha: sha, headRef: head, baseRef: 'main' });
      expect((await git.findByHead(connection, head)).map((each) => each.number)).toEqual([number]);
      expect(await git.findByHead(connection, 'capstan/none')).toEqual([]);
    });

    it('is stale where there is one already', async () => {
      const { head } = await opened();
      const again = await git.open(connection, { title: 'Again', body: '', head, base: 'main', draft: false });
      expect(again).toMatchObject({ kind: 'stale', reason: expect.stringContaining('already exists') as string });
    });

    it('is refused without commits or branch', async () => {
      const request = { title: 'x', body: '', base: 'main', draft: false };
      expect(await git.open(connection, { ...request, head: 'capstan/none' })).toMatchObject({ kind: 'refused' });
      expect(await git.open(connection, { ...request, head: 'main' })).toMatchObject({ kind: 'refused' });
    });

    it('needs the permission', async () => {
      const head = 'capstan/readonly';
      await stage.push(head, 'r.txt', 'r\n');
      const request = { title: 'x', body: '', head, base: 'main', draft: false };
      await expect(git.open({ ...connection, token: stage.readToken }, request)).rejects.toMatchObject({
        name: 'UserError',
        code: 'permission_missing',
      });
    });
  });

  describe('view', () => {
    it('shows a pull request on which nothing was said', async () => {
      const { number, sha } = await opened();
      await eventually(async () => expect((await view(number)).pullRequest.mergeable).toBe(true));
      const seen = await view(number);
      expect(seen.pullRequest).toMatchObject({ number, headSha: sha, closedBy: null, mergeCommitSha: null });
      expect(seen).toMatchObject({
        checks: { known: true, value: [] },
        reviews: { known: true, value: [] },
        missingRequired: { known: true, value: [] },
      });
    });

    it('shows checks of both sorts, the latest of each name', async () => {
      const { number, sha } = await opened();
      await stage.check(sha, 'test', 'failure', 'expected 3');
      await stage.check(sha, 'lint', null);
      await stage.status(sha, 'deploy', 'pending');
      expect(states(await view(number))).toEqual([
        ['deploy', 'pending'],
        ['lint', 'pending'],
        ['test', 'failure'],
      ]);
      expect(known((await view(number)).checks).find((check) => check.name === 'test')?.summary).toContain(
        'expected 3',
      );
      await stage.check(sha, 'test', 'success');
      await stage.check(sha, 'lint', 'skipped');
      await stage.status(sha, 'deploy', 'success');
      expect(states(await view(number))).toEqual([
        ['deploy', 'success'],
        ['lint', 'skipped'],
        ['test', 'success'],
      ]);
    });

    it('names required checks that have not reported', async () => {
      const { number, sha } = await opened();
      stage.requireChecks(['build', 'test']);
      await stage.check(sha, 'test', 'success');
      const seen = await view(number);
      stage.requireChecks([]);
      expect(known(seen.missingRequired)).toEqual(['build']);
      expect(known(seen.checks)).toMatchObject([{ name: 'test', required: true }]);
      expect(known((await view(number)).missingRequired)).toEqual([]);
    });

    it('shows the review of each author that counts', async () => {
      const { number, sha } = await opened();
      stage.review(number, 'ada', 'REQUEST_CHANGES', 'Name it total.');
      stage.review(number, 'bob', 'APPROVE', 'Fine.');
      stage.review(number, 'ada', 'COMMENT', 'By the way.');
      expect(known((await view(number)).reviews)).toMatchObject([
        { author: 'ada', state: 'changes_requested', body: 'Name it total.', commitSha: sha },
        { author: 'bob', state: 'approved' },
      ]);
    });

    it('costs nothing while nothing changes', async () => {
      const { number, sha } = await opened();
      await stage.check(sha, 'test', 'success');
      await eventually(async () => expect((await view(number)).pullRequest.mergeable).toBe(true));
      const first = await view(number);
      const before = stage.requests().length;
      expect(await view(number)).toEqual(first);
      const asked = stage.requests().slice(before);
      expect(asked.length).toBeGreaterThan(4);
      expect(asked.map(({ status }) => status)).toEqual(asked.map(() => 304));
      await stage.check(sha, 'test', 'failure');
      expect(states(await view(number))).toEqual([['test', 'failure']]);
    });

    it('is glanced at with one read, which shows whatever is done about it', async () => {
      const { number, head } = await opened();
      await eventually(async () => expect((await view(number)).pullRequest.mergeable).toBe(true));
      const before = stage.requests().length;
      expect(await git.glance(connection, number)).toEqual((await view(number)).pullRequest);
      expect(stage.requests()[before]).toMatchObject({ status: 304 });
      expect(
        stage
          .requests()
          .slice(before)
          .filter(({ path }) => path.endsWith(`/pulls/${number}`)),
      ).toHaveLength(2);
      const { updatedAt, headSha } = await git.glance(connection, number);
      expect(Date.parse(updatedAt)).not.toBeNaN();
      // A forge's clock may count in seconds.
      await eventually(() => Date.now() >= Date.parse(updatedAt) + 1_000);
      stage.review(number, 'ada', 'APPROVE', 'Fine.');
      expect((await git.glance(connection, number)).updatedAt > updatedAt).toBe(true);
      await stage.push(head, 'second.txt', 'x\n');
      await eventually(async () => expect((await git.glance(connection, number)).headSha).not.toBe(headSha));
      stage.closeByHand(number, 'ada');
      expect(await git.glance(connection, number)).toMatchObject({ state: 'closed', merged: false });
    });

    it('says what it may not read, and never takes it for green', async () => {
      const { number } = await opened();
      const undo = stage.forbidChecks();
      const seen = await view(number);
      undo();
      expect(seen.checks).toMatchObject({ known: false, reason: expect.stringContaining('403') as string });
      expect(seen.missingRequired.known).toBe(false);
      expect(seen.reviews.known).toBe(true);
    });

    it('follows a push, a conflict and a close by hand', async () => {
      const { head, number } = await opened('conflict.txt', 'mine\n');
      const sha = await stage.push(head, 'second.txt', 'x\n');
      await eventually(async () => expect((await view(number)).pullRequest.headSha).toBe(sha));
      await stage.push('main', 'conflict.txt', 'theirs\n');
      await eventually(async () => expect((await view(number)).pullRequest.mergeable).toBe(false));
      stage.closeByHand(number, 'ada');
      expect((await view(number)).pullRequest).toMatchObject({ state: 'closed', merged: false, closedBy: 'ada' });
    });

    it('tells limits with their length, and absence', async () => {
      const { number } = await opened();
      const undo = stage.limit(30);
      await expect(view(number)).rejects.toMatchObject({ name: 'TransientError', retryAfterMs: 30_000 });
      undo();
      await expect(view(99_999)).rejects.toMatchObject({ name: 'UserError', code: 'remote_not_found' });
    });
  });

  describe('merge', () => {
    it('merges the head that was judged', async () => {
      const { number, sha } = await opened();
      const merged = await git.merge(connection, number, { sha, method: 'squash', title: 'Work (#1)' });
      if (merged.kind !== 'done') throw new Error(merged.reason);
      expect(await stage.tip('main')).toBe(merged.value.mergeCommitSha);
      expect((await view(number)).pullRequest).toMatchObject({
        state: 'closed',
        merged: true,
        mergeCommitSha: merged.value.mergeCommitSha,
        closedBy: stage.login,
      });
    });

    it('is stale once the head has moved', async () => {
      const { head, number, sha } = await opened();
      await stage.push(head, 'late.txt', 'late\n');
      const tip = await stage.tip('main');
      expect(await git.merge(connection, number, { sha, method: 'merge' })).toMatchObject({ kind: 'stale' });
      expect(await stage.tip('main')).toBe(tip);
    });

    it('is refused on a conflict', async () => {
      const { number, sha } = await opened('both.txt', 'mine\n');
      await stage.push('main', 'both.txt', 'theirs\n');
      expect(await git.merge(connection, number, { sha, method: 'merge' })).toMatchObject({
        kind: 'refused',
        reason: expect.any(String) as string,
      });
    });

    it('is sent once when its answer is lost', async () => {
      const { number, sha } = await opened();
      const before = stage.requests().length;
      stage.loseNextAnswer('PUT');
      await expect(git.merge(connection, number, { sha, method: 'merge' })).rejects.toMatchObject({
        name: 'TransientError',
      });
      expect(
        stage
          .requests()
          .slice(before)
          .filter(({ method }) => method === 'PUT'),
      ).toHaveLength(1);
      expect((await view(number)).pullRequest.merged).toBe(true);
    });
  });

  it('closes, and closes again', async () => {
    const { number } = await opened();
    await git.close(connection, number);
    await git.close(connection, number);
    expect((await view(number)).pullRequest).toMatchObject({ state: 'closed', merged: false });
  });

  it('finds its comment by the marker, the oldest of equals', async () => {
    const { number } = await opened();
    const marker = '<!-- capstan:effect:1 -->';
    expect(await git.findComment(connection, number, marker)).toBeNull();
    await git.comment(connection, number, 'Something else');
    const first = await git.comment(connection, number, `Done.\n${marker}`);
    const second = await git.comment(connection, number, `Done.\n${marker}`);
    expect(await git.findComment(connection, number, marker)).toEqual(first);
    await git.deleteComment(connection, first.id);
    await git.deleteComment(connection, first.id);
    expect(await git.findComment(connection, number, marker)).toEqual(second);
  });

  it('verifies and reads what the forge delivers', async () => {
    const deliveries: { headers: Record<string, string | undefined>; body: Buffer }[] = [];
    const receiver = createServer(async (request, response) => {
      const body = Buffer.concat(await request.toArray());
      deliveries.push({ headers: request.headers as Record<string, string | undefined>, body });
      response.writeHead(202).end();
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    stage.subscribe(`http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`, 'a secret');
    const { number, head, sha } = await opened();
    await stage.check(sha, 'test', 'success');
    const read = () => deliveries.map(({ headers, body }) => git.readDelivery(headers, body));
    await eventually(() => {
      const about = read();
      expect(about).toContainEqual(
        expect.objectContaining({
          event: 'pull_request',
          action: 'opened',
          pullRequests: [number],
          fullName: connection.fullName,
        }),
      );
      expect(about).toContainEqual(expect.objectContaining({ event: 'push', branches: [head] }));
      expect(about.some((each) => each.event.startsWith('check_') && each.pullRequests.includes(number))).toBe(true);
    });
    for (const { headers, body } of deliveries) {
      expect(git.verifyDelivery('a secret', headers, body)).toBe(true);
      expect(git.verifyDelivery('another', headers, body)).toBe(false);
      expect(git.verifyDelivery('a secret', headers, Buffer.concat([body, Buffer.from(' ')]))).toBe(false);
    }
    expect(new Set(read().map(({ id }) => id)).size).toBe(deliveries.length);
    receiver.closeAllConnections();
    await new Promise((resolve) => receiver.close(resolve));
  });

  it('gives git a header to authorise with', () => {
    expect(git.gitAuthorization(connection)).toMatch(/^(Basic|Bearer) \S+$/);
  });
});
