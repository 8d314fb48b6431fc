import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, startGitHubDouble } from '@capstan/test-support';
import type { TicketConnection, Tickets } from './ticket.port.js';
import { tracker, TRACKER_NAMES } from './registry.js';

/** What a tracker's double must offer to the suite: people who act on one project. */
interface TicketStage {
  readonly connection: TicketConnection;
  /** Who files the tickets. */
  readonly author: string;
  /** May read the project, and not write. */
  readonly readToken: string;
  file(title: string, body: string, labels: readonly string[]): Promise<string>;
  say(key: string, login: string, body: string): void;
  closeByHand(key: string): void;
  reopenByHand(key: string): Promise<void>;
  unlabel(key: string, label: string): void;
  requests(): readonly { readonly method: string; readonly status: number }[];
  /** Gives back how to end it. */
  limit(seconds: number): () => void;
  loseNextAnswer(method: string): void;
  stop(): Promise<void>;
}

async function startGitHubStage(): Promise<TicketStage> {
  const directory = await mkdtemp(join(tmpdir(), 'capstan-tickets-'));
  const double = await startGitHubDouble({ dir: directory });
  const project = 'acme/app';
  await double.createRepository(project, { files: { 'README.md': 'App\n' }, private: true });
  const repositories = [project];
  const ada = double.actingAs('ada');
  return {
    connection: {
      project,
      apiUrl: double.apiUrl,
      token: double.createToken({ login: 'capstan-bot', repositories }),
    },
    author: 'ada',
    readToken: double.createToken({ login: 'reader', permissions: 'read', repositories }),
    file: async (title, body, labels) =>
      String(await double.createIssue(project, { title, body, labels, author: 'ada' })),
    say: (key, login, body) => void double.actingAs(login).comment(project, Number(key), body),
    closeByHand: (key) => ada.closeIssue(project, Number(key)),
    reopenByHand: (key) => ada.reopenIssue(project, Number(key)),
    unlabel: (key, label) => ada.unlabel(project, Number(key), label),
    requests: () => double.journal.flatMap((entry) => (entry.kind === 'request' ? [entry] : [])),
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

/** One line per tracker. */
const STAGES: Readonly<Record<string, () => Promise<TicketStage>>> = { 'github-issues': startGitHubStage };

it('covers every tracker of the registry', () => {
  expect(Object.keys(STAGES).sort()).toEqual([...TRACKER_NAMES].sort());
  expect(() => tracker('nowhere')).toThrow(expect.objectContaining({ code: 'tracker_unknown', field: 'tracker' }));
});

describe.each(Object.entries(STAGES))('%s', (name, startStage) => {
  let stage: TicketStage;
  let tickets: Tickets;
  let connection: TicketConnection;

  beforeAll(async () => {
    stage = await startStage();
    tickets = tracker(name);
    connection = stage.connection;
  });
  afterAll(() => stage.stop());

  const keys = async (label: string) =>
    (await tickets.poll(connection, label, null)).tickets?.map(({ key }) => key).sort();

  describe('poll', () => {
    it('gives open tickets with the label, whole', async () => {
      const key = await stage.file('Sum is wrong', 'sum(1, 2) gives 4', ['whole', 'bug']);
      await stage.file('Other', '', ['bug']);
      const { tickets: found } = await tickets.poll(connection, 'whole', null);
      expect(found).toEqual([
        {
          key,
          url: expect.stringMatching(/^https?:/) as string,
          title: 'Sum is wrong',
          body: 'sum(1, 2) gives 4',
          state: 'open',
          labels: ['whole', 'bug'],
          author: stage.author,
          updatedAt: expect.stringMatching(/^\d{4}-/) as string,
          openedAt: expect.stringMatching(/^\d{4}-/) as string,
        },
      ]);
    });

    it('says when nothing has changed, and what has', async () => {
      const first = await stage.file('One', 'x', ['change']);
      const { etag } = await tickets.poll(connection, 'change', null);
      expect(etag).not.toBeNull();
      const before = stage.requests().length;
      expect(await tickets.poll(connection, 'change', etag)).toEqual({ tickets: null, etag });
      expect(
        stage
          .requests()
          .slice(before)
          .map(({ status }) => status),
      ).toEqual([304]);
      const second = await stage.file('Two', 'y', ['change']);
      const changed = await tickets.poll(connection, 'change', etag);
      expect(changed.tickets?.map(({ key }) => key).sort()).toEqual([first, second].sort());
      expect(await tickets.poll(connection, 'change', changed.etag)).toMatchObject({ tickets: null });
    });

    it('no longer gives what was closed, or lost its label', async () => {
      const closed = await stage.file('Closed', '', ['gone']);
      const unlabelled = await stage.file('Unlabelled', '', ['gone']);
      const stays = await stage.file('Stays', '', ['gone']);
      const { etag } = await tickets.poll(connection, 'gone', null);
      stage.closeByHand(closed);
      stage.unlabel(unlabelled, 'gone');
      const after = await tickets.poll(connection, 'gone', etag);
      expect(after.tickets?.map(({ key }) => key)).toEqual([stays]);
    });

    it('gives a reopened ticket a new opening', async () => {
      const key = await stage.file('Again', '', ['again']);
      const opened = (await tickets.ticket(connection, key)).openedAt;
      // Trackers count in seconds, so an opening in the same second would look like the first.
      const [again] = await eventually(async () => {
        stage.closeByHand(key);
        await stage.reopenByHand(key);
        const { tickets: found } = await tickets.poll(connection, 'again', null);
        expect(Date.parse(found![0]!.openedAt)).toBeGreaterThan(Date.parse(opened));
        return found!;
      });
      expect((await tickets.ticket(connection, key)).openedAt).toBe(again!.openedAt);
    });

    it('has no tickets where nobody used the label', async () => {
      expect(await keys('nobody')).toEqual([]);
    });
  });

  describe('ticket', () => {
    it('is read in any state', async () => {
      const key = await stage.file('Read me', 'b', []);
      expect(await tickets.ticket(connection, key)).toMatchObject({ key, title: 'Read me', state: 'open', labels: [] });
      stage.closeByHand(key);
      expect(await tickets.ticket(connection, key)).toMatchObject({ state: 'closed' });
    });

    it('is not found where there is none', async () => {
      const nothing = { name: 'UserError', code: 'remote_not_found' };
      await expect(tickets.ticket(connection, '999999')).rejects.toMatchObject(nothing);
      await expect(tickets.ticket(connection, 'x/../y')).rejects.toMatchObject(nothing);
    });
  });

  describe('comments', () => {
    it('are read oldest first', async () => {
      const key = await stage.file('Talk', '', []);
      stage.say(key, 'ada', 'First');
      const { id } = await tickets.comment(connection, key, 'Second');
      expect(await tickets.comments(connection, key)).toMatchObject([
        { author: 'ada', body: 'First' },
        { id, body: 'Second' },
      ]);
    });

    it('are known by the marker at their end, also beyond the first page', async () => {
      const key = await stage.file('Busy', '', []);
      const marker = '<!-- capstan:effect:7 -->';
      for (let index = 0; index < 105; index += 1) stage.say(key, 'ada', `Chat ${index}`);
      stage.say(key, 'eve', `> ${marker}\n\nWhat is that?`);
      expect(await tickets.findComment(connection, key, marker)).toBeNull();
      const { id } = await tickets.comment(connection, key, `Done.\n\n${marker}`);
      await tickets.comment(connection, key, `Done.\n\n${marker}`);
      expect(await tickets.findComment(connection, key, marker)).toEqual({ id });
    });

    it('are deleted, and deleted again', async () => {
      const key = await stage.file('Delete', '', []);
      const { id } = await tickets.comment(connection, key, 'Twice');
      await tickets.deleteComment(connection, id);
      await tickets.deleteComment(connection, id);
      expect(await tickets.comments(connection, key)).toEqual([]);
    });

    it('are written once when the answer is lost', async () => {
      const key = await stage.file('Lost', '', []);
      stage.loseNextAnswer('POST');
      await expect(tickets.comment(connection, key, 'Hello')).rejects.toMatchObject({ name: 'TransientError' });
      expect(await tickets.comments(connection, key)).toHaveLength(1);
    });
  });

  it('closes, and leaves a closed one as it is', async () => {
    const key = await stage.file('Close', '', []);
    await tickets.close(connection, key);
    const closed = await tickets.ticket(connection, key);
    expect(closed.state).toBe('closed');
    const before = stage.requests().length;
    await tickets.close(connection, key);
    expect(
      stage
        .requests()
        .slice(before)
        .map(({ method }) => method),
    ).toEqual(['GET']);
    expect(await tickets.ticket(connection, key)).toEqual(closed);
  });

  it.each([
    ['credential_refused', { token: 'wrong' }],
    ['remote_not_found', { project: 'acme/nothing-here' }],
  ])('tells %s', async (code, change) => {
    await expect(tickets.poll({ ...connection, ...change }, 'x', null)).rejects.toMatchObject({
      name: 'UserError',
      code,
    });
  });

  it('tells a missing permission, and a limit with its length', async () => {
    const key = await stage.file('Errors', '', []);
    const reader = { ...connection, token: stage.readToken };
    await expect(tickets.comment(reader, key, 'x')).rejects.toMatchObject({
      name: 'UserError',
      code: 'permission_missing',
    });
    const undo = stage.limit(30);
    await expect(tickets.ticket(connection, key)).rejects.toMatchObject({
      name: 'TransientError',
      retryAfterMs: 30_000,
    });
    undo();
  });
});
