import { mkdtempSync, rmSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ForgeAccess, type RepositoryAccess } from '../forge-access.js';
import { Stage } from '../stage.fixture.js';
import { Git } from './git.js';
import { Mirrors } from './mirror.js';

jest.setTimeout(60_000);

const directory = mkdtempSync(join(tmpdir(), 'capstan-push-'));
const git = new Git({ PATH: '/usr/local/bin:/usr/bin:/bin' });
let stage: Stage;
let access: RepositoryAccess;

beforeAll(async () => {
  stage = await Stage.open();
  access = await new ForgeAccess(stage.database, stage.vault).of(stage.repository.id, 'fetch');
});
afterAll(async () => {
  await stage.close();
  rmSync(directory, { recursive: true, force: true });
});

/** The same repository with its git at another address. */
const at = (cloneUrl: string): RepositoryAccess => ({ ...access, connection: { ...access.connection, cloneUrl } });

it('a forge whose git can not be reached may come back', async () => {
  const mirrors = new Mirrors(git, join(directory, 'away'));
  await expect(mirrors.remoteHead(at('http://127.0.0.1:1/acme/app.git'), 'main')).rejects.toMatchObject({
    name: 'TransientError',
    code: 'git_unavailable',
  });
});

it('a git that takes too long is ended', async () => {
  const started = git.run(['cat-file', '--batch'], { directory, signal: AbortSignal.abort() });
  await expect(started).rejects.toMatchObject({ name: 'TransientError', code: 'git_timeout' });
});

it('a rule of the forge against the branch is told in its words', async () => {
  const hooks = join(stage.directory, 'forge', 'repositories', `${stage.repository.fullName}.git`, 'hooks');
  await mkdir(hooks, { recursive: true });
  await writeFile(join(hooks, 'pre-receive'), '#!/bin/sh\necho "no branches of machines here" >&2\nexit 1\n');
  await chmod(join(hooks, 'pre-receive'), 0o755);
  stage.startReplica();
  const { task } = await stage.finishedRun(await (await stage.worktree('capstan/rule')).commit({ 'a.txt': 'a' }));
  const row = await stage.pullRequest(task.id, ({ state }) => state === 'refused');
  expect(row.refusal).toMatchObject({
    code: 'push_refused',
    detail: expect.stringContaining('hook declined') as unknown,
  });
});

it('a repository that was taken away is followed no longer', async () => {
  await stage.database.query('update repository set archived_at = now() where id = $1', [stage.repository.id]);
  await expect(new ForgeAccess(stage.database, stage.vault).of(stage.repository.id, 'fetch')).rejects.toMatchObject({
    name: 'UserError',
    code: 'repository_archived',
  });
});
