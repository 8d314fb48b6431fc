import type { Socket } from 'socket.io-client';
import type { ClientToServer, Invalidation, LogBatch, ServerToClient } from '@capstan/api';
import type { Repository, Run } from '@capstan/database';
import type { Id } from '@capstan/domain';
import { logBatch, logHead } from '@capstan/events';
import { aRepository, aRun, eventually } from '@capstan/test-support';
import { TestGateway, type SignedInUser } from '../gateway.fixture.js';

type LiveSocket = Socket<ServerToClient, ClientToServer>;

describe('the live door', () => {
  let gateway: TestGateway;
  let user: SignedInUser;
  let repository: Repository;
  const sockets: LiveSocket[] = [];
  beforeAll(async () => {
    gateway = await TestGateway.start();
  });
  beforeEach(async () => {
    user = await gateway.aUser();
    repository = await aRepository(gateway.database, { workspaceId: user.workspaceId });
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.disconnect();
  });
  afterAll(() => gateway.close());

  const connect = (as: SignedInUser | undefined, origin?: string): LiveSocket => {
    const socket = gateway.live(as, origin);
    sockets.push(socket);
    return socket;
  };
  const connected = async (as: SignedInUser): Promise<LiveSocket> => {
    const socket = connect(as);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    });
    return socket;
  };
  const refusal = (socket: LiveSocket) =>
    new Promise<string>((resolve, reject) => {
      socket.once('connect_error', (error) => resolve(error.message));
      socket.once('connect', () => reject(new Error('it was let in')));
    });

  it('lets in who is signed in, by websocket and from its own page alone', async () => {
    expect(await refusal(connect(undefined))).toBe('not_signed_in');
    expect(await refusal(connect({ ...user, cookie: 'capstan_session=' + 'x'.repeat(43) }))).toBe('not_signed_in');
    expect(await refusal(connect(user, 'https://evil.example'))).toMatch(/websocket error/);
    const polling = await fetch(`${gateway.url}/socket.io/?EIO=4&transport=polling`);
    expect(polling.status).toBe(400);
    const { body } = await gateway.ask('POST', '/api/tokens', { as: user, json: { name: 'n' } });
    const socket = gateway.live(undefined);
    sockets.push(socket);
    socket.auth = { token: body.token };
    const links = await new Promise((resolve) => socket.once('links', resolve));
    expect(links).toEqual({ postgres: true, nats: true });
  });

  it('tells a workspace what changed, and nobody else', async () => {
    const mine: Invalidation[] = [];
    const theirs: Invalidation[] = [];
    (await connected(user)).on('invalidate', (message) => mine.push(message));
    (await connected(await gateway.aUser())).on('invalidate', (message) => theirs.push(message));
    const { body: task } = await gateway.ask('POST', '/api/tasks', {
      as: user,
      json: { repositoryId: repository.id, title: 'T' },
    });
    await gateway.ask('PATCH', '/api/workspace', { as: user, json: { paused: true } });
    await eventually(() => expect(mine.map(({ kind }) => kind).sort()).toEqual(['task', 'workspace']));
    expect(mine).toContainEqual({ kind: 'task', id: task.id, taskId: task.id, version: null });
    expect(mine).toContainEqual({ kind: 'workspace', id: user.workspaceId, taskId: null, version: 2 });
    expect(theirs).toEqual([]);
  });

  it('closes with the session', async () => {
    const socket = await connected(user);
    const gone = new Promise((resolve) => socket.once('disconnect', resolve));
    await gateway.ask('POST', '/api/sign-out', { as: user });
    expect(await gone).toBe('io server disconnect');
  });

  it("follows a run of one's own workspace only", async () => {
    const { run } = await aRun(gateway.database, repository, { taskState: 'running' });
    const stranger = await connected(await gateway.aUser());
    const heard: LogBatch[] = [];
    stranger.on('log', (batch) => heard.push(batch));
    expect(await stranger.emitWithAck('follow', { runId: run.id })).toEqual({ error: 'run_not_found' });
    expect(await stranger.emitWithAck('follow', { runId: 'x' })).toEqual({ error: 'invalid_request' });
    const own = await connected(user);
    const lines: number[] = [];
    own.on('log', (batch) => lines.push(...batch.lines.map(({ sequence }) => sequence)));
    expect(await own.emitWithAck('follow', { runId: run.id })).toEqual({ head: 0, ended: false });
    await write(run, 1, 3);
    await eventually(() => expect(lines).toEqual([1, 2, 3]));
    expect(heard).toEqual([]);
    own.emit('unfollow', { runId: run.id });
    await own.emitWithAck('follow', { runId: 'x' });
    await write(run, 4, 5);
    // Its answer comes after anything that was sent before.
    expect(await own.emitWithAck('follow', { runId: run.id })).toEqual({ head: 5, ended: false });
    expect(lines).toEqual([1, 2, 3]);
  });

  it('delivers each line once and in order when messages are lost, late, repeated or out of order', async () => {
    const { run } = await aRun(gateway.database, repository, { taskState: 'running' });
    const socket = await connected(user);
    const seen: number[] = [];
    const ends: { head: number; ended: boolean }[] = [];
    socket.on('log', (batch) => seen.push(...batch.lines.map(({ sequence }) => sequence)));
    socket.on('head', ({ head, ended }) => ends.push({ head, ended }));
    await socket.emitWithAck('follow', { runId: run.id });
    const random = seeded(7);
    for (let at = 1; at <= 2_000; at += 20) {
      await store(run, at, at + 19);
      const dice = random();
      if (dice < 0.4) continue;
      if (dice < 0.5)
        await gateway.broker.publish(logBatch, batchOf(run, Math.max(1, at - 60), at - 41 > 0 ? at - 41 : 1));
      await gateway.broker.publish(logBatch, batchOf(run, at, at + 19));
      if (dice > 0.9) await gateway.broker.publish(logBatch, batchOf(run, at, at + 19));
    }
    await gateway.database.query(
      `update run set state = 'finished', outcome = '{"kind":"stopped","detail":""}' where id = $1`,
      [run.id],
    );
    await gateway.broker.publish(logHead, { workspaceId: run.workspaceId, runId: run.id, head: 2_000, ended: true });
    await eventually(() => expect(seen.length).toBeGreaterThanOrEqual(2_000));
    expect(seen).toEqual(Array.from({ length: 2_000 }, (_, index) => index + 1));
    await eventually(() => expect(ends.at(-1)).toEqual({ head: 2_000, ended: true }));
  });

  it('finds by itself what no message announced', async () => {
    const { run } = await aRun(gateway.database, repository, { taskState: 'running' });
    const socket = await connected(user);
    const seen: number[] = [];
    socket.on('log', (batch) => seen.push(...batch.lines.map(({ sequence }) => sequence)));
    await socket.emitWithAck('follow', { runId: run.id });
    await store(run, 1, 1_200);
    await eventually(() => expect(seen).toHaveLength(1_200));
    expect(seen.at(-1)).toBe(1_200);
  });

  it('loses and repeats no line for a client that comes and goes, also through a restart', async () => {
    const TOTAL = 20_000;
    const { run } = await aRun(gateway.database, repository, { taskState: 'running' });
    const random = seeded(42);
    const port = gateway.port;
    const reader = new LogReader(gateway, user, run.id, connect(user));
    let restarted: Promise<void> | undefined;
    for (let at = 1; at <= TOTAL; at += 100) {
      if (at === 8_001) restarted = gateway.stop().then(() => gateway.start(port));
      // The runner is another process: it goes on without the gateway. Here it shares its pool, and waits.
      if (restarted !== undefined) await restarted;
      await store(run, at, at + 99);
      if (random() > 0.1) await gateway.broker.publish(logBatch, batchOf(run, at, at + 99));
      if (random() < 0.3) reader.breakOff();
    }
    await gateway.broker.publish(logHead, { workspaceId: run.workspaceId, runId: run.id, head: TOTAL, ended: false });
    await eventually(() => expect(reader.shown.length).toBeGreaterThanOrEqual(TOTAL), 60_000);
    reader.close();
    expect(reader.breaks).toBeGreaterThan(10);
    expect(reader.shown).toEqual(Array.from({ length: TOTAL }, (_, index) => index + 1));
  }, 120_000);

  async function write(run: Run, from: number, to: number): Promise<void> {
    await store(run, from, to);
    await gateway.broker.publish(logBatch, batchOf(run, from, to));
  }

  async function store(run: Run, from: number, to: number): Promise<void> {
    await gateway.database.query(
      `insert into run_log (workspace_id, run_id, sequence, at, kind, text)
       select $1, $2, i, now(), 'text', 'line ' || i from generate_series($3::int, $4::int) i`,
      [run.workspaceId, run.id, from, to],
    );
  }
});

function batchOf(run: Run, from: number, to: number) {
  const lines = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => ({
    sequence: from + index,
    at: new Date(1_700_000_000_000).toISOString(),
    kind: 'text' as const,
    text: `line ${from + index}`,
  }));
  return { workspaceId: run.workspaceId, runId: run.id, lines };
}

/** A client as the contract describes it: history by REST up to the head, then the socket; told apart by sequence. */
class LogReader {
  readonly shown: number[] = [];
  breaks = 0;
  private reading: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(
    private readonly gateway: TestGateway,
    private readonly user: SignedInUser,
    private readonly runId: Id,
    private readonly socket: LiveSocket,
  ) {
    socket.on('connect', () => void this.resume());
    socket.on('log', ({ lines }) => void this.then(() => this.show(lines.map(({ sequence }) => sequence))));
  }

  /** As a network does: without a word. */
  breakOff(): void {
    if (!this.socket.connected) return;
    this.breaks += 1;
    this.socket.io.engine.close();
  }

  close(): void {
    this.closed = true;
    this.socket.disconnect();
  }

  private async resume(): Promise<void> {
    const answer = await this.socket
      .timeout(5_000)
      .emitWithAck('follow', { runId: this.runId })
      .catch(() => null);
    if (answer === null || 'error' in answer) {
      this.socket.io.engine.close();
      return;
    }
    this.then(() => this.readTo(answer.head));
  }

  private then(step: () => Promise<void> | void): void {
    this.reading = this.reading.then(step).catch(() => this.breakOff());
  }

  private show(sequences: readonly number[]): Promise<void> | void {
    const fresh = sequences.filter((sequence) => sequence > (this.shown.at(-1) ?? 0));
    // Lines that were broken off with the last connection are history now.
    if (fresh.length > 0 && fresh[0]! > (this.shown.at(-1) ?? 0) + 1) return this.readTo(fresh.at(-1)!);
    this.shown.push(...fresh);
  }

  private async readTo(head: number): Promise<void> {
    while (!this.closed && (this.shown.at(-1) ?? 0) < head) {
      const { status, body } = await this.gateway.ask(
        'GET',
        `/api/runs/${this.runId}/log?after=${this.shown.at(-1) ?? 0}&limit=1000`,
        { as: this.user },
      );
      if (status !== 200) throw new Error(`the log answers ${status}`);
      this.shown.push(...body.lines.map(({ sequence }: { sequence: number }) => sequence));
    }
  }
}

/** The same numbers every time. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}
