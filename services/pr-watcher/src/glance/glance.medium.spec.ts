import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newId, type Delivery, type PullRequest } from '@capstan/database';
import { wakePullRequests } from '../follow/follow.snapshot.js';
import { hearDelivery } from '../hear/hear.apply.js';
import { unheardDeliveries } from '../hear/hear.loop.js';
import { NAME, Stage } from '../stage.fixture.js';

jest.setTimeout(120_000);

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let stage: Stage;
let door: Server;
/** What is done with a delivery; a lost event is one that is stored and not heard. */
let onDelivery: (delivery: Delivery) => Promise<unknown>;
let branch = 0;
const failures: unknown[] = [];

beforeAll(async () => {
  stage = await Stage.open({ requiredApprovals: 1 });
  // Nothing that is done at the forge from now on counts as done just now.
  stage.forgeAheadMs = -HOUR_MS;
  stage.startReplica();
  door = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      store(request.headers as Record<string, string>, Buffer.concat(chunks))
        .then((delivery) => onDelivery(delivery))
        .then(
          () => response.end(),
          (error: unknown) => {
            failures.push(error);
            response.writeHead(500).end();
          },
        );
    });
  });
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(door.address() as AddressInfo).port}/`;
  stage.forge.createWebhook(NAME, { url, events: ['*'] });
});
beforeEach(() => {
  onDelivery = (delivery) => hearDelivery(stage.database, delivery);
});
afterEach(() => expect(failures).toEqual([]));
afterAll(async () => {
  await stage.close();
  await new Promise((resolve) => door.close(resolve));
});

/** Stands for the service that verifies and stores what the forge delivers. */
async function store(headers: Record<string, string>, body: Buffer): Promise<Delivery> {
  const { workspaceId, id } = stage.repository;
  const [row] = await stage.database.query<Delivery>(
    `insert into delivery (id, workspace_id, repository_id, forge, remote_id, event, headers, body)
     values ($1,$2,$3,'github',$4,$5,$6,$7) returning *`,
    [newId(), workspaceId, id, headers['x-github-delivery'], headers['x-github-event'], headers, body],
  );
  return row!;
}

/** An open pull request, green and without its approval, that is looked at seldom by now. */
async function quietOne(): Promise<PullRequest> {
  branch += 1;
  const worktree = await stage.worktree(`capstan/${branch}-quiet`);
  await worktree.commit({ [`quiet-${branch}.txt`]: 'x' });
  const { task } = await stage.finishedRun(worktree);
  const { id, headSha } = await stage.pullRequest(task.id, ({ state }) => state === 'open');
  await stage.forge.actingAs('ci').setStatus(NAME, headSha!, 'test', 'success');
  await stage.forge.settled();
  await read(id, ({ decision }) => decision?.startsWith('Waiting for approval') === true);
  // One look more at the old pace, now that the last event is a while ago.
  return untilSlow(id);
}

async function untilSlow(id: string): Promise<PullRequest> {
  await pass(id, 3 * MINUTE_MS);
  return read(id, ({ glanceAt, claimedUntil }) => glanceAt !== null && claimedUntil === null);
}

async function read(id: string, check: (row: PullRequest) => boolean): Promise<PullRequest> {
  const [row] = await stage.database.query<PullRequest>('select * from pull_request where id = $1', [id]);
  return stage.pullRequest(row!.taskId, check);
}

/** So much time passes for this pull request and its repository. */
async function pass(id: string, ms: number): Promise<void> {
  await stage.database.query(
    `update pull_request set next_check_at = next_check_at - $2 * interval '1 ms', glance_at = glance_at - $2 * interval '1 ms',
            looked_at = looked_at - $2 * interval '1 ms', told_at = told_at - $2 * interval '1 ms',
            head_seen_at = head_seen_at - $2 * interval '1 ms',
            last_checked_at = last_checked_at - $2 * interval '1 ms'
      where id = $1`,
    [id, ms],
  );
  for (const [table, column] of [
    ['pull_request', 'untold_at'],
    ['delivery', 'received_at'],
  ])
    await stage.database.query(`update ${table} set ${column} = ${column} - $1 * interval '1 ms'`, [ms]);
}

/** Goes on to the look that the row plans. Answers how long that took, and what the forge was asked about it. */
async function nextLook({ id, number }: PullRequest): Promise<{ row: PullRequest; afterMs: number; calls: number }> {
  const [before] = await stage.database.query<PullRequest & { afterMs: number }>(
    `select *, extract(epoch from next_check_at - clock_timestamp())::float8 * 1000 as after_ms from pull_request where id = $1`,
    [id],
  );
  const from = stage.forge.journal.length;
  await pass(id, before!.afterMs);
  const row = await read(id, (now) => now.version > before!.version && now.claimedUntil === null);
  const asked = stage.forge.journal.slice(from).filter((entry) => entry.kind === 'request' && entry.method === 'GET');
  expect(asked.some((entry) => entry.kind === 'request' && entry.path.endsWith(`/pulls/${number}`))).toBe(true);
  return { row, afterMs: before!.afterMs, calls: asked.length };
}

/** What happens at the forge and is not told. */
async function untold(work: () => unknown): Promise<void> {
  const undo = stage.forge.inject({ dropWebhooks: true, times: Infinity });
  stage.forgeAheadMs += 2_000;
  await work();
  await stage.forge.settled();
  undo();
}
const isSlow = ({ glanceAt, nextCheckAt, lastCheckedAt }: PullRequest) =>
  glanceAt?.getTime() === nextCheckAt.getTime() && nextCheckAt.getTime() - lastCheckedAt!.getTime() > 10 * MINUTE_MS;

it('asks the forge twelve times an hour at most, and for everything once an hour', async () => {
  let row = await quietOne();
  let [passedMs, calls, wholeAfterMs]: number[] = [0, 0, 0];
  while (passedMs! < 3 * HOUR_MS) {
    const before = row;
    const look = await nextLook(row);
    row = look.row;
    passedMs! += look.afterMs;
    wholeAfterMs! += look.afterMs;
    calls! += look.calls;
    expect(isSlow(row)).toBe(true);
    expect(row.lastCheckedAt!.getTime()).toBeGreaterThan(before.lastCheckedAt!.getTime());
    expect(row.lookedAt!.getTime() > before.lookedAt!.getTime()).toBe(look.calls > 1);
    if (look.calls > 1) {
      expect(wholeAfterMs).toBeLessThanOrEqual(HOUR_MS);
      wholeAfterMs = 0;
    }
  }
  expect((calls! * HOUR_MS) / passedMs!).toBeLessThanOrEqual(12);
  expect(calls).toBeGreaterThan(20);
});

it('takes a whole look at once when it is told of something, and when somebody asks', async () => {
  const row = await quietOne();
  const looked = async (since: PullRequest) =>
    read(row.id, ({ lookedAt, claimedUntil }) => lookedAt! > since.lookedAt! && claimedUntil === null);
  await stage.forge.actingAs('ci').setStatus(NAME, row.headSha!, 'test', 'failure');
  await stage.forge.settled();
  const red = await looked(row);
  expect(red).toMatchObject({ checks: 'red', untoldAt: null, glanceAt: null });
  const slow = await untilSlow(row.id);
  await wakePullRequests(stage.database, { taskId: row.taskId });
  await looked(slow);
});

it('finds in a glance what no delivery told of, and does not trust the hook until it tells again', async () => {
  const row = await quietOne();
  await untold(() => stage.forge.actingAs('ada').review(NAME, row.number!, 'COMMENT', 'Hm'));
  const found = await nextLook(row);
  expect(found.afterMs).toBeLessThanOrEqual(12 * MINUTE_MS);
  expect(found.calls).toBeGreaterThan(6);
  expect(found.row).toMatchObject({ glanceAt: null, untoldAt: expect.any(Date) as Date });
  let { row: now } = found;
  for (let look = 0; look < 5; look += 1) {
    const next = await nextLook(now);
    expect(next.afterMs).toBeLessThanOrEqual(33_000);
    now = next.row;
  }
  expect(now.glanceAt).toBeNull();
  stage.forgeAheadMs += 2_000;
  stage.forge.actingAs('ada').comment(NAME, row.number!, 'And now?');
  await stage.forge.settled();
  expect(isSlow(await untilSlow(row.id))).toBe(true);
});

it('finds a check that no delivery told of within the hour, and merges nothing meanwhile', async () => {
  const row = await quietOne();
  await untold(() => stage.forge.actingAs('ci').setStatus(NAME, row.headSha!, 'test', 'failure'));
  let [passedMs, now]: [number, PullRequest] = [0, row];
  while (now.checks === 'green') {
    const next = await nextLook(now);
    passedMs += next.afterMs;
    now = next.row;
  }
  expect(passedMs).toBeLessThanOrEqual(HOUR_MS);
  expect(now).toMatchObject({ checks: 'red', refusal: { code: 'ci_failed' }, glanceAt: null });
});

it('hears what was delivered although its event got lost, once', async () => {
  const unheard = unheardDeliveries(stage.database, 0);
  const row = await quietOne();
  await unheard(100);
  onDelivery = () => Promise.resolve();
  await stage.forge.actingAs('ci').setStatus(NAME, row.headSha!, 'test', 'failure');
  await stage.forge.settled();
  const lost = await unheard(100);
  expect(lost).toHaveLength(1);
  expect(await unheard(100)).toEqual([]);
  expect(await hearDelivery(stage.database, lost[0]!, { missed: true })).toBe(1);
  const red = await read(row.id, ({ checks, claimedUntil }) => checks === 'red' && claimedUntil === null);
  expect(red.untoldAt).toBeNull();
  expect(await hearDelivery(stage.database, lost[0]!, { missed: true })).toBe(0);
});

it('takes a whole look at each that it looks at seldom when it starts', async () => {
  const row = await quietOne();
  await untold(() => stage.forge.actingAs('ci').setStatus(NAME, row.headSha!, 'test', 'failure'));
  stage.startReplica();
  const woken = await read(row.id, ({ glanceAt }) => glanceAt === null);
  expect(woken.nextCheckAt.getTime() - Date.now()).toBeLessThanOrEqual(33_000);
  const { row: now } = await nextLook(woken);
  expect(now.checks).toBe('red');
});

it('lets an approval through at once, whether it was told of or not', async () => {
  const row = await quietOne();
  await untold(() => stage.forge.actingAs('acme').review(NAME, row.number!, 'APPROVE'));
  await nextLook(row);
  await read(row.id, ({ state }) => state === 'merged');
});
