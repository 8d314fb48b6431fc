import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { FinishAnswer, StartAnswer } from '@capstan/domain';
import { bubblewrap } from '@capstan/test-support';
import { readRun, shellRun } from '../../runtime.conformance.js';
import { SupervisorClient } from '../../supervisor-client.js';
import { LocalRuntime } from '../local.adapter.js';

const supervisor = resolve(import.meta.dirname, '../../../../supervisor');
const places = { clone: 'clone', worktree: 'work/tree', home: 'work/home' };
const branch = 'capstan/abc';
let data: string;
let runtime: LocalRuntime;
let client: SupervisorClient;
let root: string;
let elsewhere: string;
let secret: string;

const git = (cwd: string, ...words: string[]): string =>
  execFileSync('git', ['-c', 'user.name=A', '-c', 'user.email=a@test', ...words], { cwd, encoding: 'utf8' }).trim();

beforeAll(() => {
  execFileSync(process.execPath, [join(supervisor, 'build.mjs')]);
});
beforeEach(async () => {
  data = mkdtempSync(join(realpathSync(tmpdir()), 'capstan-hostile-'));
  const supervisorFile = join(supervisor, 'dist/supervisor.mjs');
  const isolation = { mode: 'require', bwrap: bubblewrap(), hidden: [data], readable: [], unreachable: [] } as const;
  runtime = new LocalRuntime({ directory: join(data, 'pods'), supervisorFile, isolation });
  await runtime.create({ name: 'pod', labels: {} });
  client = new SupervisorClient(runtime, 'pod');
  root = runtime.root('pod');
  const origin = join(data, 'origin');
  elsewhere = join(data, 'elsewhere');
  for (const path of [origin, elsewhere]) {
    mkdirSync(path);
    git(path, 'init', '-q', '-b', 'main');
  }
  writeFileSync(join(origin, 'a.txt'), 'a\n');
  git(origin, 'add', '-A');
  git(origin, 'commit', '-qm', 'first');
  writeFileSync(join(elsewhere, 'secret.txt'), 'canary');
  git(elsewhere, 'add', '-A');
  git(elsewhere, 'commit', '-qm', "another task's work");
  secret = git(elsewhere, 'rev-parse', 'HEAD');
}, 60_000);
afterEach(async () => {
  await runtime.delete('pod');
  rmSync(data, { recursive: true, force: true });
});

/** One life of the agent in its worktree, to its end. */
async function life(script: string): Promise<{ runId: string; answer: StartAnswer }> {
  const runId = randomUUID();
  const prepare = { ...places, remoteUrl: join(data, 'origin'), baseBranch: 'main', branch, fresh: false };
  const launch = await shellRun(runtime, 'pod', script, { cwd: join(root, places.worktree) });
  const answer = await client.start(runId, { prepare, launch });
  await readRun(client, runId);
  return { runId, answer };
}
const finish = (runId: string, base: string): Promise<FinishAnswer> =>
  client.finish(runId, { ...places, base, branch, message: 'Leftovers', author: 'Capstan <c@capstan>' });

describe('a worktree whose agent has gone bad', () => {
  it('lends nothing from outside: git looks for objects where the agent could', async () => {
    const { runId, answer } = await life(
      `echo ${join(elsewhere, '.git/objects')} >> .git/objects/info/alternates; echo ${secret} > .git/refs/heads/${branch}`,
    );
    await expect(finish(runId, answer.prepared!.base)).rejects.toMatchObject({ name: 'UserError' });
    const collected = client.collect(runId, { ...places, base: answer.prepared!.base, branch });
    await expect(collected).rejects.toMatchObject({ name: 'UserError' });
  }, 60_000);

  it('writes nothing outside by its refs, when it is finished and when it is used again', async () => {
    const target = join(data, 'target');
    mkdirSync(target);
    const { runId, answer } = await life(
      `rm -rf .git/refs/remotes/origin && ln -s ${target} .git/refs/remotes/origin && ln -s ${target} .git/refs/heads/out && git symbolic-ref HEAD refs/heads/out/x; echo new > b`,
    );
    await finish(runId, answer.prepared!.base).catch(() => undefined);
    const prepare = { ...places, remoteUrl: join(data, 'origin'), baseBranch: 'main', branch, fresh: false };
    const launch = await shellRun(runtime, 'pod', 'true', { cwd: join(root, places.worktree) });
    await client.start(randomUUID(), { prepare, launch }).catch(() => undefined);
    expect(readdirSync(target)).toEqual([]);
  }, 60_000);

  it('is not followed where it was put in the place of its directory', async () => {
    const { runId, answer } = await life(`cd ..; mv tree away; ln -s ${elsewhere} tree`);
    await expect(finish(runId, answer.prepared!.base)).rejects.toMatchObject({ name: 'UserError' });
    expect(git(elsewhere, 'status', '--porcelain')).toBe('');
    expect(git(elsewhere, 'rev-parse', '--abbrev-ref', 'HEAD')).toBe('main');
  }, 60_000);

  it('is still good for an honest agent: a second life goes on from the first, and the work comes out', async () => {
    const first = await life('echo one > one; git add -A; git -c user.name=A -c user.email=a@t commit -qm one');
    const second = await life('echo two > two');
    expect(second.answer.prepared).toMatchObject({ reused: true, base: first.answer.prepared!.base });
    const base = second.answer.prepared!.base;
    const finished = await finish(second.runId, base);
    expect(finished).toMatchObject({ commitCount: 2, committedLeftovers: true });
    const bundle = await client.collect(second.runId, { ...places, base, branch });
    expect(bundle.toString('latin1')).toContain(`${finished.head} refs/heads/${branch}`);
    expect(existsSync(join(root, 'tmp')) ? readdirSync(join(root, 'tmp')) : []).toEqual([]);
  }, 60_000);
});
