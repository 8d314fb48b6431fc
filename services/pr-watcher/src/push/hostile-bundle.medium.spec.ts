import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Stage, type Worktree } from '../stage.fixture.js';

jest.setTimeout(120_000);

const secret = `canary-${randomBytes(8).toString('hex')}`;
const big = randomBytes(21 * 1_048_576);
let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
  const owner = { workspaceId: stage.repository.workspaceId, repositoryId: null, name: 'CANARY' };
  await stage.database.transaction((tx) => stage.vault.put(tx, owner, secret));
  const choice = { ...owner, name: 'CLAUDE_AUTH_MODE' };
  await stage.database.transaction((tx) => stage.vault.put(tx, choice, 'oauth-token'));
  stage.startReplica();
});
afterAll(() => stage.close());

const submodule = '[submodule "x"]\n\tpath = x\n\turl = https://evil.test/x.git\n';

it.each<[string, string, (tree: Worktree) => Promise<unknown>]>([
  ['a workflow', 'publish_refused_workflow', (tree) => tree.commit({ '.github/workflows/ci.yml': 'on: push\n' })],
  ['a submodule', 'publish_refused_submodule', (tree) => tree.commit({ '.gitmodules': submodule })],
  ['a secret', 'publish_refused_secret', (tree) => tree.commit({ 'src/key.js': `const key = "${secret}";\n` })],
  [
    'a secret in base64 within other text',
    'publish_refused_secret',
    (tree) => tree.commit({ 'x.txt': Buffer.from(`user:${secret}:end`).toString('base64') }),
  ],
  [
    'a secret that a later commit takes back',
    'publish_refused_secret',
    async (tree) => (await tree.commit({ 'a.txt': secret })).commit({ 'a.txt': '' }),
  ],
  ['a secret in a message', 'publish_refused_secret', (tree) => tree.commit({ 'a.txt': 'a' }, `Use ${secret}`)],
  ['a secret as a file name', 'publish_refused_secret', (tree) => tree.commit({ [secret]: 'a' })],
  ['a huge file', 'publish_refused_size', (tree) => tree.commit({ 'big.bin': big })],
])('refuses %s', async (what, code, work) => {
  const worktree = await stage.worktree(`capstan/bad-${what.replaceAll(' ', '-')}`);
  await work(worktree);
  const { task } = await stage.finishedRun(worktree);
  const row = await stage.pullRequest(task.id, ({ state }) => state === 'refused', 30_000);
  expect(row.refusal).toMatchObject({ code });
  expect(row.refusal!.detail).not.toContain(secret);
  expect(stage.pushes()).toEqual([]);
});

it('refuses another history', async () => {
  const orphan = await stage.worktree('capstan/orphan');
  await orphan.git('checkout', '--quiet', '--orphan', 'new');
  await orphan.commit({ 'a.txt': 'a' });
  await orphan.git('branch', '--quiet', '-f', 'capstan/orphan', 'new');
  await expectHistoryRefused(orphan, () => orphan.bundle('refs/heads/capstan/orphan'));
});

it('refuses two refs', async () => {
  const tree = await (await stage.worktree('capstan/two')).commit({ 'b.txt': 'b' });
  await tree.git('branch', 'other');
  await expectHistoryRefused(tree, () => tree.bundle('refs/heads/capstan/two', 'refs/heads/other', `^${tree.base}`));
});

it('refuses another head than the run was judged by', async () => {
  const tree = await (await stage.worktree('capstan/moved')).commit({ 'c.txt': 'c' });
  await expectHistoryRefused(tree, async () => (await tree.commit({ 'd.txt': 'd' })).bundle());
});

it('refuses what is no bundle, and one that git finds fault with', async () => {
  const junk = await (await stage.worktree('capstan/junk')).commit({ 'e.txt': 'e' });
  await expectHistoryRefused(junk, () => Promise.resolve(randomBytes(4_096)));
  const cut = await (await stage.worktree('capstan/cut')).commit({ 'f.txt': 'f' });
  await expectHistoryRefused(cut, async () => (await cut.bundle()).subarray(0, -40));
});

it.each(['diff-tree', 'ls-tree', 'cat-file --batch-check'])(
  'publishes nothing that %s could not read',
  async (broken) => {
    const own = await Stage.open();
    try {
      const bin = join(own.directory, 'bin');
      await mkdir(bin);
      const script = `#!/bin/sh\ncase "$*" in *"${broken}"*) exit 128;; esac\nPATH=/usr/local/bin:/usr/bin:/bin exec git "$@"\n`;
      await writeFile(join(bin, 'git'), script, { mode: 0o755 });
      own.startReplica({ gitPath: bin });
      const tree = await own.worktree('capstan/unread');
      await tree.commit({ '.github/workflows/ci.yml': 'on: push\n', '.gitmodules': submodule });
      const { task } = await own.finishedRun(tree);
      const row = await own.pullRequest(task.id, ({ attempts, state }) => attempts > 0 || state !== 'publishing');
      expect(row).toMatchObject({ state: 'publishing', lastError: expect.stringContaining('128') as string });
      expect(own.pushes()).toEqual([]);
    } finally {
      await own.close();
    }
  },
);

it('lets a workflow through where the repository allows it', async () => {
  await stage.database.query('update repository set allow_workflow_changes = true');
  const worktree = await (await stage.worktree('capstan/allowed')).commit({ '.github/workflows/ci.yml': 'on: push\n' });
  const { task } = await stage.finishedRun(worktree);
  await stage.pullRequest(task.id, ({ state }) => state === 'open');
  expect(stage.pushes()).toMatchObject([{ ref: 'refs/heads/capstan/allowed', after: await worktree.head() }]);
});

async function expectHistoryRefused(tree: Worktree, bundle: () => Promise<Buffer>): Promise<void> {
  const { run, task } = await stage.finishedRun(tree);
  stage.bundles.set(run.id, bundle);
  const row = await stage.pullRequest(task.id, ({ state }) => state === 'refused');
  expect(row.refusal).toMatchObject({ code: 'publish_refused_history' });
  expect(stage.pushes()).toEqual([]);
}

it('publishes work that holds the word of a choice: only keys are secret', async () => {
  const tree = await (await stage.worktree('capstan/choice')).commit({ 'auth.md': 'Set it to oauth-token.\n' });
  const { task } = await stage.finishedRun(tree);
  await stage.pullRequest(task.id, ({ state }) => state === 'open', 30_000);
  expect(stage.pushes().map(({ ref }) => ref)).toContain('refs/heads/capstan/choice');
});
