import { effectMarker } from '@capstan/domain';
import { PullRequest, newId, type Effect } from '@capstan/database';
import { eventually } from '@capstan/test-support';
import { tracker } from '@capstan/tickets';
import { NAME, Stage } from '../stage.fixture.js';

jest.setTimeout(60_000);

let stage: Stage;
let number: number;
beforeEach(async () => {
  stage = await Stage.open();
  stage.startReplica();
  stage.startReplica();
  number = await stage.tracker.createIssue(NAME, { title: 'Sum is wrong', labels: ['capstan'], author: 'ada' });
  await said(1);
});
afterEach(() => stage.close());

const said = (count: number) =>
  eventually(async () => {
    await stage.nudge();
    expect(stage.comments().length).toBeGreaterThanOrEqual(count);
    const [open] = await stage.database.query(`select count(*)::int as count from effect where state <> 'done'`);
    expect(open).toEqual({ count: 0 });
  }, 20_000);

async function openPullRequest(): Promise<void> {
  const [task] = await stage.tasks();
  const { workspaceId, repositoryId } = task!;
  await stage.database.transaction((tx) =>
    tx.insert(PullRequest, {
      id: newId(),
      workspaceId,
      repositoryId,
      taskId: task!.id,
      runId: newId(),
      generation: 1,
      branch: 'b',
      baseBranch: 'main',
      title: 't',
      state: 'open',
      number: 9,
      url: 'https://forge.test/pull/9',
    }),
  );
  await stage.moveTask('pr_opened');
}

it('says three things and closes, once each, with every answer lost', async () => {
  stage.tracker.inject({ method: 'POST', path: /\/comments$/, afterExecution: true, times: 2 });
  stage.tracker.inject({ method: 'PATCH', path: /\/issues\/\d+$/, afterExecution: true });
  await openPullRequest();
  await said(2);
  await stage.moveTask('completed');
  await said(3);
  await eventually(async () => {
    await stage.nudge();
    expect(await stage.tickets()).toMatchObject([
      { state: 'closed', reported: ['picked_up', 'pull_request', 'done', 'closed'] },
    ]);
  }, 20_000);
  expect(stage.comments()).toMatchObject([
    expect.stringContaining('picked this up'),
    expect.stringContaining('https://forge.test/pull/9'),
    expect.stringMatching(/^Done: .* is merged\./),
  ]);
  const closes = stage.tracker.journal.filter((entry) => entry.kind === 'request' && entry.method === 'PATCH');
  expect(closes).toHaveLength(1);
  expect(stage.tracker.faultsOfOurs).toEqual([]);
});

it('tells a failure once, and nothing of what comes after it but the close', async () => {
  await stage.moveTask('needs_attention', { code: 'no_changes', detail: 'Nothing was left' });
  await said(2);
  await stage.moveTask('failed', { code: 'agent_failed', detail: 'x' });
  await openPullRequest();
  await stage.moveTask('completed');
  await eventually(async () => {
    await stage.nudge();
    expect(await stage.tickets()).toMatchObject([{ state: 'closed', reported: ['picked_up', 'failed', 'closed'] }]);
  });
  expect(stage.comments()[1]).toContain('The agent changed nothing.');
  expect(stage.comments()).toHaveLength(2);
});

it('deletes the later of two equal comments, and no copy by somebody else', async () => {
  const [effect] = await stage.database.query<Effect>(`select * from effect where kind = 'comment_ticket'`);
  const text = stage.comments()[0]!;
  expect(text.endsWith(effectMarker(effect!.id))).toBe(true);
  const bot = stage.tracker.actingAs('capstan-bot');
  bot.comment(NAME, number, text);
  stage.tracker.actingAs('eve').comment(NAME, number, `Look: ${text}`);
  // As after a takeover, one deadline ago.
  await stage.database.query(`update effect set claim_epoch = 2, settled_at = now() - interval '21 seconds'`);
  const token = await stage.vault.require({
    ...stage.repository,
    repositoryId: stage.repository.id,
    name: 'GITHUB_TOKEN',
  });
  const connection = { project: NAME, apiUrl: stage.tracker.apiUrl, token };
  await eventually(async () => {
    const bodies = (await tracker('github-issues').comments(connection, String(number))).map(({ body }) => body);
    expect(bodies).toEqual([text, `Look: ${text}`]);
  }, 30_000);
});
