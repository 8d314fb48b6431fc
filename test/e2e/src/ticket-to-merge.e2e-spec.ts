import type { Task, TaskRequest } from '@capstan/api';
import { aSystem, change, eventually, processesOf, type System } from '@capstan/test-support';

interface Comment {
  readonly body: string;
  readonly user: { readonly login: string };
}
interface Pull {
  readonly number: number;
  readonly state: string;
  readonly merged_at: string | null;
  readonly head: { readonly ref: string };
}

describe('From a ticket to a merged pull request', () => {
  let system: System;
  let silent: { task: Task; number: number };

  beforeAll(async () => {
    system = await aSystem({
      repositories: [
        { fullName: 'acme/app', requiredChecks: ['test'] },
        { fullName: 'acme/silent', ci: false },
      ],
    });
    // Its check never reports; what comes of that is seen in the last test.
    const number = await system.ticket('Nobody checks', change('silent'), 'acme/silent');
    silent = { number, task: await system.taskOf(number, 'acme/silent') };
  });
  afterAll(() => system?.expectNothingLeft());

  const pulls = async (fullName = 'acme/app') =>
    system.atForge<Pull[]>(`/repos/${fullName}/pulls?state=all&per_page=100`);
  const pullsOf = async (shortId: string, fullName?: string) =>
    (await pulls(fullName)).filter(({ head }) => head.ref.startsWith(`capstan/${shortId}`));
  const commentsOn = (number: number, fullName = 'acme/app') =>
    system.atForge<Comment[]>(`/repos/${fullName}/issues/${number}/comments?per_page=100`);
  const merges = (number: number, fullName = 'acme/app') =>
    system.forge.journal.filter(
      (entry) =>
        entry.kind === 'request' && entry.method === 'PUT' && entry.path === `/repos/${fullName}/pulls/${number}/merge`,
    );

  it('is one branch, one pull request, one merge and three comments, and the ticket is closed', async () => {
    const number = await system.ticket('Say hello', change('hello'));
    const task = await system.taskOf(number);
    await system.untilState(task.id, 'completed');
    await system.untilTicketClosed(number);
    const [pull, ...more] = await pullsOf(task.shortId);
    expect(more).toEqual([]);
    expect(pull).toMatchObject({ state: 'closed', merged_at: expect.any(String) as string });
    expect(merges(pull!.number)).toHaveLength(1);
    const comments = await commentsOn(number);
    expect(comments).toHaveLength(3);
    expect(comments[0]!.body).toContain(task.shortId);
    expect(comments[1]!.body).toContain(`/pull/${pull!.number}`);
    expect(comments[2]!.body).toMatch(/^Done/);
    const pushes = system.forge.journal.filter((entry) => entry.kind === 'push' && entry.ref.includes(task.shortId));
    expect(pushes.filter((entry) => entry.kind === 'push' && /^0+$/.test(entry.before))).toHaveLength(1);
    const life = await system.life(task.id);
    expect(life.filter(({ kind }) => kind === 'transition').map(({ to }) => to)).toEqual([
      'provisioning',
      'running',
      'pr_opened',
      'completed',
    ]);
    for (const { cause } of life) expect(cause).not.toBe('');
  });

  it('sends the agent back in with what failed when the checks are red, and merges once they are green', async () => {
    const number = await system.ticket('Red first', [
      'name red',
      'do@1: write work/red.txt RED',
      'do@2: write work/red.txt green',
      'commit Work on red',
    ]);
    const task = await system.taskOf(number);
    const done = await system.untilState(task.id, 'completed', 90_000);
    expect(done.runs.map(({ reason }) => reason)).toEqual(['initial', 'ci_failed']);
    const second = await system.agent('red', 2);
    expect(second.prompt).toContain('red.txt is RED');
    expect(await pullsOf(task.shortId)).toHaveLength(1);
    await system.untilTicketClosed(number);
    expect(await commentsOn(number)).toHaveLength(3);
  });

  it('completes a task whose pull request a person merges', async () => {
    const number = await system.ticket('Merged by hand', [
      'name byhand',
      'write work/byhand.txt RED',
      'commit By hand',
    ]);
    const task = await system.taskOf(number);
    const opened = await system.until(task.id, 'a pull request', ({ pullRequest }) => pullRequest?.number != null);
    system.forge.branchRules('acme/app', 'main', {});
    try {
      await system.forge.actingAs('ada').merge('acme/app', opened.pullRequest!.number!);
      const done = await system.untilState(task.id, 'completed');
      expect(done.pullRequest).toMatchObject({ state: 'merged' });
      expect(merges(opened.pullRequest!.number!)).toEqual([]);
      await system.untilTicketClosed(number);
    } finally {
      system.forge.branchRules('acme/app', 'main', { requiredChecks: ['test'] });
      await system.forge.actingAs('ada').pushFile('acme/app', 'main', 'work/byhand.txt', 'green again\n');
    }
  });

  it('leaves a pull request that a person closes to people', async () => {
    const held = await heldAtReview('closed');
    system.forge.actingAs('ada').close('acme/silent', held.pull);
    const task = await system.untilState(held.id, 'needs_attention');
    expect(task.attention).toMatchObject({ code: 'pull_request_closed' });
    expect(merges(held.pull, 'acme/silent')).toEqual([]);
  });

  it('takes two tickets at once', async () => {
    const numbers = await Promise.all(['one', 'two'].map((name) => system.ticket(`Ticket ${name}`, [...hold(name)])));
    const tasks = await Promise.all(numbers.map((number) => system.taskOf(number)));
    const agents = await Promise.all(['one', 'two'].map((name) => system.agent(name)));
    expect(new Set(agents.map(({ pid }) => pid)).size).toBe(2);
    for (const name of ['one', 'two']) system.open(name);
    for (const { id, shortId } of tasks) {
      await system.untilState(id, 'completed', 90_000);
      expect(await pullsOf(shortId)).toHaveLength(1);
    }
  });

  it('makes a new task of a ticket that is opened again', async () => {
    const number = await system.ticket('Again', change('again'));
    const first = await system.taskOf(number);
    await system.untilState(first.id, 'completed');
    await system.untilTicketClosed(number);
    await system.forge.actingAs('ada').pushFile('acme/app', 'main', 'work/again.txt', 'undone\n');
    await system.forge.actingAs('ada').reopenIssue('acme/app', number);
    const second = await system.taskOf(number, 'acme/app', [first.id]);
    expect(second.id).not.toBe(first.id);
    await system.untilState(second.id, 'completed', 90_000);
    const { items } = await system.get<{ items: Task[] }>('/api/tasks?limit=200');
    expect(items.filter(({ ticket }) => ticket?.key === String(number))).toHaveLength(2);
  });

  describe('cancel', () => {
    it('takes a queued task out of the queue', async () => {
      await system.capstan.call('PATCH', '/api/workspace', { paused: true });
      try {
        const task = await system.task('Never started', change('never'));
        const waiting = await system.until(task.id, 'the reason', (detail) => detail.waiting !== null);
        expect(waiting).toMatchObject({ state: 'queued', waiting: { code: 'paused' } });
        const answer = await system.post<TaskRequest>(`/api/tasks/${task.id}/cancel`);
        expect(answer.answer).toMatchObject({ applied: true });
        expect(await system.detail(task.id)).toMatchObject({ state: 'cancelled', runs: [] });
      } finally {
        await system.capstan.call('PATCH', '/api/workspace', { paused: false });
      }
    });

    it('stops the agent and everything that it started, and publishes nothing', async () => {
      const task = await system.task('Stopped', ['name stopped', 'spawn', ...hold('stopped')]);
      const report = await eventually(async () => {
        const told = await system.agent('stopped');
        return told.children.length === 1 ? told : false;
      }, 30_000);
      await system.post(`/api/tasks/${task.id}/cancel`);
      const cancelled = await system.untilState(task.id, 'cancelled');
      expect(cancelled.agentUnconfirmed).toBe(false);
      for (const pid of [report.pid, ...report.children])
        expect(processesOf(system.dir).map((each) => each.pid)).not.toContain(pid);
      expect(await pullsOf(task.shortId)).toEqual([]);
      expect(system.forge.journal.filter((entry) => entry.kind === 'push' && entry.ref.includes(task.shortId))).toEqual(
        [],
      );
    });
  });

  it('retries a failed task on its branch', async () => {
    const task = await system.task('Fails first', [
      'name fails',
      'do@1: write work/fails.txt fine',
      'do@1: commit Half of it',
      'do@1: exit 3',
      'write work/fails-too.txt fine',
      'commit The rest',
    ]);
    // A plain exit code is the agent's own word: whatever comes of it, a person may retry.
    const failed = await system.until(task.id, 'an end', ({ state }) => ['failed', 'needs_attention'].includes(state));
    const answer = await system.post<TaskRequest>(`/api/tasks/${task.id}/retry`);
    expect(answer.answer).toMatchObject({ applied: true });
    const done = await system.untilState(task.id, 'completed', 90_000);
    expect(done.branch).toBe(failed.branch);
    expect(done.runs).toHaveLength(2);
    expect((await system.agent('fails', 2)).prompt).toContain('An earlier run did not finish');
  });

  it('starts over on a new branch when forced, and closes the old pull request with a comment', async () => {
    const held = await heldAtReview('redo');
    await system.post(`/api/tasks/${held.id}/force-redo`);
    await system.agent('redo', 1);
    const again = await system.until(
      held.id,
      'the second pull request',
      ({ pullRequest }) => pullRequest?.number != null && pullRequest.number !== held.pull,
      90_000,
    );
    expect(again.branch).toMatch(/-2$/);
    const old = (await pullsOf(held.shortId, 'acme/silent')).find(({ number }) => number === held.pull);
    expect(old).toMatchObject({ state: 'closed', merged_at: null });
    expect(await commentsOn(held.pull, 'acme/silent')).toHaveLength(1);
    await system.post(`/api/tasks/${held.id}/cancel`);
    await system.untilState(held.id, 'cancelled');
  });

  it('waits for dependencies, refuses a cycle, and takes urgent tasks first', async () => {
    const first = await system.task('Comes first', ['name first', ...hold('first')]);
    const then = await system.task('Comes then', change('then'), { dependsOn: [first.id] });
    const waiting = await system.until(then.id, 'the reason', (detail) => detail.waiting !== null);
    expect(waiting).toMatchObject({ state: 'waiting', waiting: { code: 'dependency' } });
    await expect(
      system.capstan.call('PUT', `/api/tasks/${first.id}/dependencies`, { dependsOn: [then.id] }),
    ).rejects.toThrow(/409/);
    await system.agent('first');
    system.open('first');
    await system.untilState(then.id, 'completed', 90_000);
    const [, ends] = await Promise.all([first.id, then.id].map((id) => system.life(id)));
    expect(ends!.some(({ cause }) => cause.includes('dependencies'))).toBe(true);
  });

  it('places the urgent one first when there is room again', async () => {
    await system.capstan.call('PATCH', '/api/workspace', { paused: true });
    const late = await system.task('Can wait', change('canwait'), { priority: 900 });
    const soon = await system.task('Urgent', change('urgent'), { priority: 1 });
    await system.until(soon.id, 'its place', ({ waiting }) => waiting?.position === 1);
    await system.until(late.id, 'its place', ({ waiting }) => waiting?.position === 2);
    await system.capstan.call('PATCH', '/api/workspace', { paused: false });
    const [urgent, other] = await Promise.all(
      [soon, late].map(({ id }) => system.until(id, 'placed', ({ runs }) => runs.length > 0)),
    );
    expect(Date.parse(urgent!.runs[0]!.placedAt)).toBeLessThanOrEqual(Date.parse(other!.runs[0]!.placedAt));
    for (const { id } of [soon, late]) await system.untilState(id, 'completed', 90_000);
  });

  it('never merges what no check has looked at', async () => {
    const [before] = await system.pullRequests(silent.task.id);
    expect(before).toMatchObject({ state: 'open', checks: 'none', decision: 'Waiting for a check to report' });
    await letTwoMinutesPass(silent.task.id);
    const task = await system.untilState(silent.task.id, 'needs_attention');
    expect(task.attention).toMatchObject({ code: 'no_checks' });
    const all = await pullsOf(task.shortId, 'acme/silent');
    expect(all).toMatchObject([{ state: 'open', merged_at: null }]);
    expect(merges(all[0]!.number, 'acme/silent')).toEqual([]);
    await eventually(async () => (await commentsOn(silent.number, 'acme/silent')).length === 3, 20_000);
    expect((await commentsOn(silent.number, 'acme/silent'))[2]!.body).toContain('needs a person');
  });

  /** What a check has to report in is two minutes: the head was first seen that much earlier, says the row now. */
  async function letTwoMinutesPass(taskId: string): Promise<void> {
    const database = await system.database();
    await eventually(async () => {
      await database.query(
        `update pull_request set head_seen_at = head_seen_at - interval '2 minutes', next_check_at = now()
          where task_id = $1 and head_seen_at > now() - interval '2 minutes'`,
        [taskId],
      );
      return (await system.detail(taskId)).state === 'needs_attention';
    }, 20_000);
  }

  /** Lines of a change that waits for its gate first. */
  function hold(name: string): readonly string[] {
    return [`name ${name}`, `hold ${name}`, ...change(name).slice(1)];
  }

  /** A task whose pull request is open and stays so for two minutes: nobody checks it. */
  async function heldAtReview(name: string): Promise<{ id: string; shortId: string; pull: number }> {
    const task = await system.task(`Held ${name}`, [`name ${name}`, `write work/${name}.txt fine`, `commit ${name}`], {
      repositoryId: system.repositoryId('acme/silent'),
    });
    const opened = await system.until(
      task.id,
      'a pull request',
      ({ state, pullRequest }) => state === 'pr_opened' && pullRequest?.number != null,
    );
    return { id: task.id, shortId: task.shortId, pull: opened.pullRequest!.number! };
  }
});
