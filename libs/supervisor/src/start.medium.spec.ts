import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MAX_JOURNAL_BYTES } from '@capstan/domain';
import type { StartAnswer, StartRequest } from '@capstan/domain';
import { eventually } from '@capstan/test-support';
import { SupervisedRoot } from './supervisor.fixture.js';

let pod: SupervisedRoot;
let runId: string;
let tip: string;

beforeAll(() => SupervisedRoot.build());
beforeEach(() => {
  pod = new SupervisedRoot();
  runId = randomUUID();
  const origin = join(pod.root, 'origin');
  mkdirSync(origin);
  const git = (...words: string[]): string =>
    execFileSync('git', ['-c', 'user.name=A', '-c', 'user.email=a@test', ...words], { cwd: origin, encoding: 'utf8' });
  git('init', '-q', '-b', 'main');
  writeFileSync(join(origin, 'a.txt'), 'a\n');
  git('add', '-A');
  git('commit', '-qm', 'first');
  tip = git('rev-parse', 'HEAD').trim();
});
afterEach(() => pod.remove());

function request(
  script: string,
  { epoch = 1, baseBranch = 'main' }: { epoch?: number; baseBranch?: string } = {},
): StartRequest {
  const worktree = join(pod.root, 'work/1');
  return {
    prepare: {
      ...{ remoteUrl: join(pod.root, 'origin'), baseBranch, branch: 'capstan/abc', fresh: false },
      ...{ clone: 'clone', worktree, home: 'work/1.home' },
    },
    launch: {
      ...{ epoch, argv: ['/bin/sh', '-c', script], env: { PATH: '/usr/local/bin:/usr/bin:/bin' }, cwd: worktree },
      ...{ deadlineAt: Date.now() + 600_000, maxJournalBytes: MAX_JOURNAL_BYTES, graceMs: 200 },
    },
  };
}
type Answer = StartAnswer & { readonly error?: { readonly code: string } };
const start = (wanted: StartRequest): Answer => pod.ask('start', runId, wanted);
/** Processes of supervisors that keep, or wait to keep, this run. */
const keepers = (): number =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`keep\0${runId}\0`);
    } catch {
      return false; // it ended meanwhile
    }
  }).length;

describe('start', () => {
  it('launches the agent in the worktree that it prepared, and says so again to whoever asks later', async () => {
    const answer = start(request('cat a.txt; sleep 600'));
    expect(answer).toMatchObject({ alreadyThere: false, prepared: { base: tip, head: tip, reused: false } });
    expect(pod.status(runId)).toMatchObject({ state: 'running', process: answer.process, prepared: answer.prepared });
    await eventually(() => pod.status(runId).lastLine === 1);
    const again = start(request('echo twice', { epoch: 2 }));
    expect(again).toEqual({ alreadyThere: true, process: answer.process, prepared: answer.prepared });
    expect(keepers()).toBe(1);
    expect(start(request('echo late')).error?.code).toBe('fenced');
    expect(readdirSync(join(pod.root, 'tmp'))).toEqual([]);
  }, 30_000);

  it('leaves the worktree of a run that is there as its agent made it', async () => {
    start(request('echo mine > a.txt; sleep 600'));
    const file = join(pod.root, 'work/1/a.txt');
    await eventually(() => readFileSync(file, 'utf8') === 'mine\n');
    const wanted = request('true', { epoch: 2 });
    expect(start({ ...wanted, prepare: { ...wanted.prepare, fresh: true } }).alreadyThere).toBe(true);
    expect(readFileSync(file, 'utf8')).toBe('mine\n');
  }, 30_000);

  it('starts one agent when it is asked several times at once', async () => {
    const wanted = request('echo begun; sleep 600');
    const answers = await Promise.all([1, 2, 3].map(() => pod.askBeside<Answer>('start', runId, wanted)));
    expect(answers.filter(({ alreadyThere }) => !alreadyThere)).toHaveLength(1);
    expect(new Set(answers.map(({ process }) => process.pid)).size).toBe(1);
    await eventually(() => keepers() === 1);
    await eventually(() => pod.status(runId).lastLine === 1);
  }, 30_000);

  it('goes on as reader of the run: its journal from the line wanted, and what the agent left', async () => {
    const wanted = request('cat a.txt; echo new > b.txt');
    const finish = {
      worktree: 'work/1',
      home: 'work/1.home',
      branch: 'capstan/abc',
      message: 'Add b',
      author: 'C <c@c>',
    };
    const printed = pod
      .raw('start', runId, { ...wanted, follow: { from: 1, finish } })
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const [answer, ...items] = printed.filter((item) => !('beat' in item));
    expect(answer).toMatchObject({ alreadyThere: false, prepared: { base: tip } });
    expect(items.map(({ kind, text }) => [kind, text])).toEqual([
      ['stdout', 'a'],
      ['exit', undefined],
      [undefined, undefined],
    ]);
    expect(items.at(-1)).toMatchObject({ finished: { commitCount: 1, committedLeftovers: true } });
    const again = pod.raw('start', runId, { ...wanted, follow: { from: 2, finish } }).toString();
    expect(again).not.toContain('"text":"a"');
    expect(again).toContain('"commitCount":1');
  }, 30_000);

  it('says nothing of the work of a run that was stopped, or that another has by then', async () => {
    const finish = { worktree: 'work/1', home: 'work/1.home', branch: 'capstan/abc', message: 'm', author: 'C <c@c>' };
    const follow = { from: 1, finish };
    const reading = pod.rawBeside('start', runId, { ...request('echo up; sleep 600'), follow });
    await eventually(() => pod.status(runId).lastLine === 1);
    pod.ask('command', runId, { id: 'stop', epoch: 1, command: 'stop' });
    const stopped = await reading;
    expect(stopped).toContain('"ended":"stopped"');
    expect(stopped).not.toContain('finished');

    const other = randomUUID();
    const wanted = request('echo up; sleep 0.5');
    const overtaken = pod.rawBeside('start', other, { ...wanted, follow });
    await eventually(() => pod.status(other).lastLine === 1);
    pod.ask('start', other, { ...wanted, launch: { ...wanted.launch, epoch: 2 } });
    expect(await overtaken).not.toContain('finished');
  }, 30_000);

  it('leaves neither run nor keeper behind when the worktree can not be had', async () => {
    expect(start(request('true', { baseBranch: 'gone' })).error?.code).toBe('base_branch_missing');
    expect(pod.status(runId).state).toBe('unknown');
    await eventually(() => keepers() === 0);
    expect(existsSync(join(pod.root, 'runs', runId))).toBe(false);
    expect(start(request('true')).alreadyThere).toBe(false);
    expect(readdirSync(join(pod.root, 'tmp'))).toEqual([]);
  }, 30_000);
});
