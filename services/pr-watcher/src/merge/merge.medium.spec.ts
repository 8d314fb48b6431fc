import { eventually } from '@capstan/test-support';
import { NAME, Stage } from '../stage.fixture.js';

jest.setTimeout(120_000);

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
  stage.startReplica();
});
afterAll(() => stage.close());

it('takes a refusal of what is merged already for the merge that it is', async () => {
  const worktree = await stage.worktree('capstan/1-merge');
  await worktree.commit({ 'merge.txt': 'x' });
  const { task } = await stage.finishedRun(worktree);
  const row = await stage.pullRequest(task.id, ({ state }) => state === 'open');
  // The request is under way so long that somebody else's comes first: an earlier one of ours would look the same.
  const path = `/repos/${NAME}/pulls/${row.number}/merge`;
  stage.forge.inject({ method: 'PUT', path, delayMs: 2_000 });
  const began = Date.now();
  const id = await stage.wishMerge(row);
  const looked = () =>
    stage.forge.journal.some(
      (entry) => entry.kind === 'request' && entry.receivedAt >= began && entry.path.includes('head='),
    );
  await eventually(looked);
  const commit = await stage.forge.actingAs('ada').merge(NAME, row.number!);
  expect(await stage.settled(id)).toMatchObject({ state: 'done', remoteId: commit });
  const answers = stage.forge.journal.flatMap((entry) =>
    entry.kind === 'request' && entry.path === path && entry.method === 'PUT' ? [entry.status] : [],
  );
  expect(answers).toEqual([405]);
  await stage.pullRequest(task.id, ({ state }) => state === 'merged');
});
