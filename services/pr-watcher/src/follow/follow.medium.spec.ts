import { newId, requestEffect, type PullRequest } from '@capstan/database';
import { eventually } from '@capstan/test-support';
import { NAME, Stage } from '../stage.fixture.js';

jest.setTimeout(120_000);

let stage: Stage;
let branch = 0;
beforeAll(async () => {
  stage = await Stage.open();
  stage.startReplica();
  stage.startReplica();
});
afterAll(() => stage.close());
afterEach(() => stage.forge.branchRules(NAME, 'main', {}));

/** An open pull request with a commit of its own. */
async function opened(): Promise<PullRequest> {
  branch += 1;
  const worktree = await stage.worktree(`capstan/${branch}-follow`);
  await worktree.commit({ [`file-${branch}.txt`]: 'x' });
  const { task } = await stage.finishedRun(worktree);
  return stage.pullRequest(task.id, ({ state }) => state === 'open');
}
const ci = (row: PullRequest, context: string, state: 'success' | 'failure' | 'pending') =>
  stage.forge.actingAs('ci').setStatus(NAME, row.headSha!, context, state);
const until = async (row: PullRequest, check: (now: PullRequest) => boolean) => {
  await stage.lookNow(row.taskId);
  return stage.pullRequest(row.taskId, check);
};

it('understands a merge by a person', async () => {
  const row = await opened();
  const commit = await stage.forge.actingAs('ada').merge(NAME, row.number!);
  expect(await until(row, ({ state }) => state === 'merged')).toMatchObject({
    mergeCommit: commit,
    closedBy: 'ada',
    refusal: null,
  });
});

it('understands a close by a person, and the reopening', async () => {
  const row = await opened();
  stage.forge.actingAs('ada').close(NAME, row.number!);
  const closed = await until(row, ({ state }) => state === 'closed');
  expect(closed).toMatchObject({ closedBy: 'ada', refusal: { code: 'pull_request_closed' } });
  await stage.forge.actingAs('ada').reopenIssue(NAME, row.number!);
  expect(await until(row, ({ state }) => state === 'open')).toMatchObject({ refusal: null, closedBy: null });
});

it('waits for a required check, and merges when it is there', async () => {
  stage.forge.branchRules(NAME, 'main', { requiredChecks: ['deploy'] });
  const row = await opened();
  await ci(row, 'test', 'success');
  const waiting = await until(row, ({ decision }) => decision?.includes('deploy') === true);
  expect(waiting).toMatchObject({ state: 'open', checks: 'pending', refusal: null });
  await ci(row, 'deploy', 'success');
  await until(row, ({ state }) => state === 'merged');
});

it('tells a foreign head, and leaves the merge to a person', async () => {
  const row = await opened();
  // The forge had its time: what it shows now is what is there.
  await stage.database.query(`update pull_request set head_seen_at = now() - interval '2 minutes' where id = $1`, [
    row.id,
  ]);
  const foreign = await stage.forge.actingAs('ada').pushFile(NAME, row.branch, 'more.txt', 'x');
  await stage.forge.actingAs('ci').setStatus(NAME, foreign, 'test', 'success');
  // A look may come between the push and its status: the next one sees both.
  const told = await until(row, ({ refusal, checks }) => refusal?.code === 'foreign_head' && checks === 'green');
  expect(told).toMatchObject({ state: 'open', headSha: foreign });
});

it.each([
  ['its task was cancelled', `update task set state = 'cancelled' where id = $1`],
  [
    'merging was switched off',
    `update repository set auto_merge = false where id = (select repository_id from task where id = $1)`,
  ],
  [
    'a check of it failed',
    `update pull_request set refusal = '{"code":"ci_failed","detail":"x"}', next_check_at = now() + interval '1 hour' where task_id = $1`,
  ],
])('carries out no merge any more when %s since', async (_name, sql) => {
  const row = await opened();
  await stage.database.query(sql, [row.taskId]);
  const id = await stage.wishMerge(row);
  expect(await stage.settled(id)).toMatchObject({ state: 'refused', result: { code: 'stale' } });
  expect(stage.writes().filter((each) => each.includes(`/pulls/${row.number}/merge`))).toEqual([]);
  await stage.database.query('update repository set auto_merge = true');
});

it('does not merge what was refused in a review', async () => {
  const row = await opened();
  stage.forge.actingAs('acme').review(NAME, row.number!, 'REQUEST_CHANGES', 'Not like this');
  await ci(row, 'test', 'success');
  const refused = await until(row, ({ refusal }) => refusal?.code === 'changes_requested');
  expect(refused).toMatchObject({
    state: 'open',
    reviews: 'changes_requested',
    refusal: { detail: 'acme: Not like this' },
  });
});

it('asks a quiet pull request with conditional requests only, once per look over two replicas', async () => {
  const row = await opened();
  await ci(row, 'test', 'pending');
  await until(row, ({ checks }) => checks === 'pending');
  for (let look = 0; look < 2; look += 1) await lookOnce(row);
  const before = stage.forge.journal.length;
  await lookOnce(row);
  const path = `/repos/${NAME}/pulls/${row.number}`;
  const requests = stage.forge.journal.slice(before).filter((entry) => entry.kind === 'request');
  expect(requests.filter((entry) => entry.path === path)).toHaveLength(1);
  const own = requests.filter(
    (entry) => entry.path.includes(`/pulls/${row.number}`) || entry.path.includes(row.headSha!),
  );
  expect(own.length).toBeLessThanOrEqual(5);
  expect(own.map(({ status }) => status)).toEqual(own.map(() => 304));
});

it('does not merge what it may not read, and merges once it may', async () => {
  const row = await opened();
  const undo = stage.forge.inject({
    path: /check-runs|actions\/runs/,
    status: 403,
    message: 'Resource not accessible by personal access token',
    times: Infinity,
  });
  await ci(row, 'test', 'success');
  const blind = await until(row, ({ refusal }) => refusal?.code === 'pull_request_unreadable');
  expect(blind).toMatchObject({ state: 'open', checks: 'unknown' });
  undo();
  await until(row, ({ state }) => state === 'merged');
});

it('closes with one comment, also when every answer is lost', async () => {
  const row = await opened();
  stage.forge.inject({ method: 'POST', path: /\/comments$/, afterExecution: true });
  stage.forge.inject({ method: 'PATCH', path: /\/pulls\/\d+$/, afterExecution: true });
  await stage.database.query('update task set generation = 2 where id = $1', [row.taskId]);
  await stage.database.transaction((tx) =>
    requestEffect(tx, {
      workspaceId: row.workspaceId,
      taskId: row.taskId,
      runId: null,
      epoch: 0,
      kind: 'close_pull_request',
      key: `close_pull_request:${row.id}:redo:${newId()}`,
      arguments: { pullRequestId: row.id, comment: 'Started anew.' },
      traceparent: null,
    }),
  );
  const closed = await stage.pullRequest(row.taskId, ({ state }) => state === 'closed', 30_000);
  expect(closed.refusal).toBeNull();
  const comments = stage.forge.journal.filter(
    (entry) =>
      entry.kind === 'request' && entry.method === 'POST' && entry.path.endsWith(`/issues/${row.number}/comments`),
  );
  expect(comments).toHaveLength(1);
});

/** One look at this pull request alone, asked for by both replicas at once. */
async function lookOnce(row: PullRequest): Promise<void> {
  await stage.database.query(`update pull_request set next_check_at = now() + interval '1 hour' where id <> $1`, [
    row.id,
  ]);
  const [before] = await stage.database.query<PullRequest>(
    'update pull_request set next_check_at = now() where id = $1 returning *',
    [row.id],
  );
  stage.wake();
  stage.wake();
  await eventually(async () => {
    const [now] = await stage.database.query<PullRequest>('select * from pull_request where id = $1', [row.id]);
    return now!.claimedUntil === null && now!.version > before!.version;
  });
}
