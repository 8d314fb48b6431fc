import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { PullRequest, Task, TaskDetail, TaskRequest } from '@capstan/api';
import { ROOT, aSystem, change, eventually, processesOf, type System } from '@capstan/test-support';

describe('Control over a run', () => {
  let system: System;

  beforeAll(async () => {
    const listening = [process.execPath, join(ROOT, 'test/support/agent/listening-agent.mjs')];
    system = await aSystem({
      repositories: [
        { fullName: 'acme/app' },
        {
          fullName: 'acme/listens',
          settings: { agent: { agent: 'command', argv: listening, output: 'ndjson', input: 'ndjson' } },
        },
        // Its check says what the test lets it say.
        { fullName: 'acme/gated', ci: false, requiredChecks: ['test'] },
      ],
    });
  });
  afterAll(() => system?.expectNothingLeft());

  /** A task whose agent listens, from the moment on at which it does. */
  async function listening(title: string, over: Record<string, unknown> = {}): Promise<Task> {
    const task = await system.task(title, [], { repositoryId: system.repositoryId('acme/listens'), ...over });
    await system.until(task.id, 'the agent', heard(1));
    return task;
  }
  const heard = (lines: number) => (detail: TaskDetail) => (detail.runs.at(-1)?.logLines ?? 0) >= lines + 1;
  const say = (task: Task, text: string) => answered(system.post(`/api/tasks/${task.id}/message`, { text }));
  /** What the scheduler says, also where that takes longer than the gateway waits. */
  async function answered(asked: Promise<TaskRequest>): Promise<NonNullable<TaskRequest['answer']>> {
    const { id } = await asked;
    return eventually(async () => {
      const { answer } = await system.get<TaskRequest>(`/api/requests/${id}`);
      if (answer === null) throw new Error('no answer yet');
      return answer;
    }, 20_000);
  }
  const textsOf = async (runId: string) =>
    (await system.log(runId)).filter(({ kind }) => kind === 'text').map(({ text }) => text);
  /** Writes that the forge was asked for. */
  const writes = (fullName: string) =>
    system.forge.journal.filter(
      (entry) =>
        (entry.kind === 'push' && entry.ref.includes('capstan/') && entry.fullName === fullName) ||
        (entry.kind === 'request' && entry.method !== 'GET' && entry.path.startsWith(`/repos/${fullName}/`)),
    ).length;
  function capstan(...words: string[]): Promise<{ code: number; out: string; err: string }> {
    const env = { ...process.env, CAPSTAN_DATA_DIR: system.dataDir };
    const main = join(ROOT, 'services/cli/dist/main.js');
    return new Promise((resolve) =>
      execFile(process.execPath, [main, ...words], { env }, (error, out, err) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
      ),
    );
  }

  it('a message and an interrupt reach an agent that listens exactly once, whatever is killed meanwhile', async () => {
    const task = await listening('Listens');
    expect(await say(task, 'first')).toMatchObject({ applied: true, code: 'delivered' });
    expect(await answered(system.post(`/api/tasks/${task.id}/interrupt`, { reason: 'wrong way' }))).toMatchObject({
      applied: true,
      code: 'delivered',
    });
    system.capstan.killHard({ servers: false });
    await system.start();
    expect((await capstan('message', task.shortId, 'second')).out).toContain('The agent has the message');
    await say(task, 'finish');
    const done = await system.untilState(task.id, 'completed', 60_000);
    expect(done.runs).toHaveLength(1);
    expect(await textsOf(done.runs[0]!.id)).toEqual([
      'prompted',
      'message first',
      'interrupt',
      'message second',
      'message finish',
    ]);
    const told = (await system.life(task.id)).filter(({ kind }) => kind === 'request');
    expect(told.map(({ cause, actor }) => [cause, actor.name])).toEqual([
      ['Message: first', 'Ada'],
      ['Interrupt asked for: wrong way', 'Ada'],
      ['Message: second', expect.any(String)],
      ['Message: finish', 'Ada'],
    ]);
    await expect(system.post(`/api/tasks/${task.id}/message`, { text: 'late' })).rejects.toThrow(/409.*force-redo/s);
  });

  it('a message to an agent that does not listen gets a run of its own, and an interrupt leaves the agent alone', async () => {
    const task = await system.task('Deaf', hold('deaf'));
    const { pid } = await system.agent('deaf');
    expect(
      await answered(system.post(`/api/tasks/${task.id}/message`, { text: 'do@2: write work/two.txt two' })),
    ).toMatchObject({
      applied: true,
      code: 'kept',
    });
    const interrupt = await capstan('interrupt', task.shortId);
    expect([interrupt.code, interrupt.err]).toEqual([5, expect.stringContaining('left alone')]);
    expect(processesOf(system.dir).some((each) => each.pid === pid)).toBe(true);
    system.open('deaf');
    const second = await system.agent('deaf', 2, 60_000);
    expect(second.prompt).toContain('A person on the team says:');
    expect(second.prompt).toContain('write work/two.txt two');
    const done = await system.untilState(task.id, 'completed', 60_000);
    expect(done.runs.map(({ reason }) => reason).sort()).toEqual(['initial', 'message']);
  });

  it('a task that has cost as much as it may needs a person, keeps its work, and goes on when the limit is raised', async () => {
    const task = await listening('Expensive', { limits: { maxCostUsd: 1 } });
    await say(task, 'write work/kept.txt kept');
    await say(task, 'spend 1.25');
    const stopped = await system.untilState(task.id, 'needs_attention');
    expect(stopped.attention).toMatchObject({
      code: 'cost_limit',
      detail: 'The task has cost $1.25 of $1.00',
      remedy: expect.stringContaining('Raise maxCostUsd') as string,
    });
    const refused = await capstan('retry', task.shortId);
    expect([refused.code, refused.err]).toEqual([5, expect.stringContaining('raise maxCostUsd')]);
    expect((await capstan('limits', task.shortId, '--max-cost-usd', '5')).code).toBe(0);
    expect((await capstan('limits', task.shortId)).out).toMatch(/max-cost-usd +5 +its own/);
    expect(await say(task, 'told: finish')).toMatchObject({ applied: true });
    const done = await system.untilState(task.id, 'completed', 60_000);
    expect(done.runs).toHaveLength(2);
    // What was left uncommitted when the limit was reached is the first of them.
    expect(done.runs.find(({ number }) => number === 2)!.outcome).toMatchObject({ kind: 'commits', commitCount: 2 });
  });

  it('a run that takes too many turns needs a person', async () => {
    const task = await listening('Turns', { limits: { maxTurns: 3 } });
    await say(task, 'turns 3');
    await say(task, 'turns 4');
    const stopped = await system.untilState(task.id, 'needs_attention');
    expect(stopped.attention).toMatchObject({ code: 'turn_limit', detail: 'The run took more than 3 turns' });
    expect(stopped.runs[0]!.outcome).toMatchObject({ kind: 'limit_reached' });
    await system.post(`/api/tasks/${task.id}/cancel`);
  });

  it('a pause holds back runs, pushes and merges, says who and since when, and lets everything go at once', async () => {
    const gated = { repositoryId: system.repositoryId('acme/gated') };
    const merging = await system.task('Merges', change('merges'), gated);
    const opened = await system.until(merging.id, 'its pull request', ({ pullRequest }) => pullRequest?.number != null);
    const publishing = await system.task('Publishes', hold('publishes'));
    await system.agent('publishes');

    const paused = await capstan('pause');
    expect(paused.out).toMatch(/is paused by .+ since \d\d:\d\d:\d\d/);
    expect((await capstan('pause')).out).toBe(paused.out);
    const [before, beforeApp] = [writes('acme/gated'), writes('acme/app')];
    const [pull] = await system.pullRequests(merging.id);
    await system.forge.actingAs('ci').setStatus('acme/gated', pull!.headSha!, 'test', 'success');
    system.open('publishes');
    const queued = await system.task('Starts', change('starts'));
    const waits = (task: Task) => system.until(task.id, 'why it waits', ({ waiting }) => waiting?.code === 'paused');
    for (const task of [await waits(queued), await waits(publishing)])
      expect(task.waiting!.detail).toMatch(/^Paused by .+ since \d\d:\d\d UTC/);
    const ready = ([one]: readonly PullRequest[]) => one?.decision?.includes('paused') === true;
    await eventually(async () => ready(await system.pullRequests(merging.id)), 20_000);
    expect([writes('acme/gated'), writes('acme/app')]).toEqual([before, beforeApp]);
    expect(await system.detail(queued.id)).toMatchObject({ state: 'queued', runs: [] });
    expect(existsSync(join(system.gates, 'starts.1.json'))).toBe(false);

    expect((await capstan('resume')).out).toContain('goes on');
    for (const { id } of [merging, publishing, queued]) await system.untilState(id, 'completed', 60_000);
    expect(opened.pullRequest!.number).toBe(pull!.number);
  });
});

/** A change whose agent waits for the gate of its name. */
function hold(name: string): readonly string[] {
  const [begin = '', ...rest] = change(name);
  return [begin, `hold ${name}`, ...rest];
}
