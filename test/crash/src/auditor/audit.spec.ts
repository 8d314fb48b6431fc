import { audit } from './audit.js';
import { aRightWorld, comment, GREEN, IDLE, type Writable } from './world.fixture.js';
import type { World } from './world.js';

type Doctored = Writable<World>;

/** Each way in which a world can be wrong, and the words in which the auditor has to say so. */
const CASES: Readonly<Record<string, readonly [(world: Doctored) => void, RegExp]>> = {
  'a ticket that was lost': [
    ({ database }) => void (database.tasks = database.tasks.filter(({ title }) => title !== GREEN.name)),
    /t1-green never became a task/,
  ],
  'a ticket that became two tasks': [
    ({ database }) => void database.tasks.push({ ...database.tasks[0]!, id: `${GREEN.task.slice(0, -1)}9` }),
    /t1-green became 2 tasks/,
  ],
  'a task of nobody': [
    ({ database }) => void database.tasks.push({ ...database.tasks[0]!, title: 'strange' }),
    /nobody asked for task/,
  ],
  'a task in the wrong state': [
    ({ database }) => void (database.tasks[0]!.state = 'failed'),
    /is failed, not completed/,
  ],
  'a wrong reason': [
    ({ database }) => void (database.tasks[1]!.attention = 'run_lost'),
    /says run_lost, not no_changes/,
  ],
  'a posted task that is another one': [
    ({ wanted }) => void (wanted[1]!.postedId = 'other'),
    /is not the one that was answered/,
  ],
  'a task of another ticket': [({ database }) => void (database.tasks[0]!.ticketKey = '7'), /is of ticket 7/],
  'a task that was started over': [({ database }) => void (database.tasks[0]!.generation = 2), /was started over/],
  'an intent that nobody honours': [
    ({ database }) => void (database.tasks[0]!.intent = 'cancel'),
    /is still to cancel/,
  ],

  'an agent that was started twice': [
    ({ agents }) => void agents[0]!.starts.push({ at: agents[0]!.end!.at - 1, pid: 99 }),
    /run run-1, was started 2 times/,
  ],
  'an agent that died': [({ agents }) => void (agents[0]!.end = null), /never came to its end/],
  'an agent of a run without a row': [({ agents }) => void (agents[0]!.runId = 'x'), /a run that nobody knows/],
  'one life too many': [
    ({ agents }) =>
      void agents.push({ ...agents[0]!, runId: 'again', starts: [{ at: agents[0]!.end!.at + 1, pid: 3 }] }),
    /took 2 agents, not 1/,
  ],
  'a task that no agent ever worked on': [({ agents }) => void agents.splice(0, 1), /t1-green took 0 agents/],
  'two agents of a task at once': [
    ({ agents }) => void agents.push({ ...agents[0]!, runId: 'again' }),
    /two agents of t1-green were at work at once/,
  ],
  'a run that never ended': [
    ({ database }) => void Object.assign(database.runs[0]!, { state: 'running', outcome: null, owner: 'w' }),
    /is running \(owner w\)/,
  ],
  'a lost run': [({ database }) => void (database.runs[1]!.outcome = 'lost'), /was lost: x/],
  'an outcome without an agent': [
    ({ database }) => void database.runs.push({ ...database.runs[0]!, id: 'ghost', number: 2 }),
    /ended as commits without an agent/,
  ],

  'a second branch': [
    ({ journal }) => void journal.push({ ...journal[0]!, ref: `refs/heads/${GREEN.branch}-2` } as never),
    /made 2 branches/,
  ],
  'a branch of nobody': [
    ({ forge }) => void forge[0]!.branches.push({ name: 'capstan/zzzzzzzz-x', sha: 'x' }),
    /the branch capstan\/zzzzzzzz-x belongs to no task/,
  ],
  'a second pull request': [
    ({ forge }) => void forge[0]!.pulls.push({ ...forge[0]!.pulls[0]!, number: 3 }),
    /has 2 pull requests/,
  ],
  'a pull request of a task that has nothing to show': [
    ({ forge }) => void forge[0]!.pulls.push({ ...forge[0]!.pulls[0]!, number: 3, branch: 'capstan/aaaaaaa2-t2' }),
    /t2-no_changes has 1 pull requests/,
  ],
  'a pull request of nobody': [
    ({ forge }) => void forge[0]!.pulls.push({ ...forge[0]!.pulls[0]!, number: 3, branch: 'x' }),
    /acme\/anvil#3 belongs to no task/,
  ],
  'a pull request that was not merged': [({ forge }) => void (forge[0]!.pulls[0]!.merged = false), /is not merged/],
  'a row that thinks otherwise': [
    ({ database }) => void (database.pullRequests[0]!.state = 'open'),
    /is open in the database/,
  ],
  'a head that is not the last run’s': [
    ({ database }) => void (database.runs[0]!.headSha = 'e'.repeat(40)),
    /the last run ended at eeee/,
  ],
  'a head that was not pushed': [
    ({ database }) => void (database.pullRequests[0]!.pushedSha = 'e'.repeat(40)),
    /eeee.* was pushed/,
  ],
  'a second merge commit': [
    ({ forge }) => void forge[0]!.commits.push({ ...forge[0]!.commits.at(-1)!, sha: 'f'.repeat(40) }),
    /was merged by 2 commits/,
  ],
  'a second request to merge that was heard': [
    ({ journal }) => void journal.push({ ...journal[1]! }),
    /was merged 2 times/,
  ],
  'a merge that is recorded as another': [
    ({ database }) => void (database.pullRequests[0]!.mergeCommit = 'f'.repeat(40)),
    /the database says ffff/,
  ],
  'work that did not arrive': [({ forge }) => void (forge[0]!.files = {}), /left null in work\/t1-green.txt/],
  'a commit on the base branch that nobody merged': [
    ({ forge }) => void forge[0]!.commits.push({ sha: 'f'.repeat(40), author: 'capstan-bot', subject: 'sneaky' }),
    /ffff.* on main is no merge/,
  ],

  'a comment twice': [
    ({ forge }) => void forge[0]!.issues[0]!.comments.push({ id: 9, author: 'capstan-bot', body: comment(3) }),
    /told picked_up, pull_request, done, done/,
  ],
  'comments out of order': [
    ({ forge }) => void forge[0]!.issues[0]!.comments.reverse(),
    /told done, pull_request, picked_up/,
  ],
  'a comment that is missing': [
    ({ forge }) => void forge[0]!.issues[0]!.comments.splice(1, 1),
    /told picked_up, done, not/,
  ],
  'a comment without a marker': [
    ({ forge }) => void (forge[0]!.issues[0]!.comments[0]!.body = 'Hello'),
    /told something without a marker/,
  ],
  'a comment of an effect that is not there': [
    ({ forge }) => void (forge[0]!.issues[0]!.comments[0]!.body = comment(9)),
    /an effect that nobody knows/,
  ],
  'a ticket that stays open': [({ forge }) => void (forge[0]!.issues[0]!.state = 'open'), /acme\/anvil#1 .* is open/],
  'a word on the pull request': [
    ({ forge }) => void forge[0]!.issues[1]!.comments.push({ id: 9, author: 'capstan-bot', body: comment(3) }),
    /acme\/anvil#2 was commented on/,
  ],
  'a ticket that is gone': [({ forge }) => void forge[0]!.issues.shift(), /the ticket of t1-green is gone/],

  'a line that is missing': [
    ({ database }) => void database.logs[0]!.texts.splice(1, 1),
    /3 lines printed, 2 stored; they part at line 2/,
  ],
  'a last line that is missing': [({ database }) => void database.logs[0]!.texts.pop(), /they part at line 3/],
  'a line twice': [
    ({ database }) => void database.logs[0]!.texts.push(`${GREEN.name} line 3`),
    /3 lines printed, 4 stored/,
  ],
  'lines out of order': [({ database }) => void database.logs[0]!.texts.reverse(), /they part at line 1/],
  'a log that is gone': [({ database }) => void database.logs.shift(), /3 lines printed, 0 stored/],
  'a hole in the numbers': [({ database }) => void (database.logs[0]!.sequences[2] = 7), /has a hole in its numbers/],
  'a head that promises more': [({ database }) => void (database.runs[0]!.logSequence = 9), /says that it has 9 lines/],

  'a run that cost more': [
    ({ database }) => void (database.runs[0]!.costUsd = '0.001600'),
    /cost 1500 µ\$, and 0.0016/,
  ],
  'usage counted twice': [
    ({ database }) => void database.usage.push({ ...database.usage[0]! }),
    /usage holds 3000 µ\$, not 1500/,
  ],
  'a task that cost less than its runs': [
    ({ database }) => void (database.tasks[0]!.costUsd = '0'),
    /says that it cost 0; its runs cost 1500/,
  ],

  'an effect that is unfinished': [
    ({ database }) => void (database.effects[0]!.state = 'claimed'),
    /comment_ticket of task .* is claimed/,
  ],
  'an effect that was refused': [
    ({ database }) => void Object.assign(database.effects[3]!, { state: 'refused', code: 'merge_refused' }),
    /is refused merge_refused/,
  ],
  'a parked row': [
    ({ database }) => void database.parked.push({ table: 'run', id: 'r', lastError: 'why' }),
    /run r is parked: why/,
  ],
  'an event that was never sent': [({ database }) => void (database.outbox[0]!.ageMs = 9_000), /waits in the outbox/],
  'a request without an answer': [
    ({ database }) => void database.unanswered.push({ id: 'q', kind: 'cancel' }),
    /the request cancel was never answered/,
  ],
  'a lock that is held': [
    ({ database }) => void database.locks.push({ pid: 7, key: '0/1', query: '' }),
    /holds advisory lock 0\/1/,
  ],
  'a pod in trouble': [({ database }) => void (database.pods[0]!.state = 'error'), /pod pod is error/],
  'a process that lives on': [
    ({ machine }) => void machine.processes.push({ pid: 5, command: 'node agent' }),
    /process 5 still runs/,
  ],
  'a lock file': [
    ({ machine }) => void machine.lockFiles.push('/x/index.lock'),
    /the lock file \/x\/index.lock is left/,
  ],
  'a pod on disk alone': [({ machine }) => void machine.pods.push('ghost'), /pod ghost is on disk/],
  'a pod that is not on disk': [
    ({ database }) => void database.pods.push({ name: 'ghost', state: 'ready', deleted: false }),
    /pod ghost is not on disk/,
  ],
  'a worktree of nobody': [({ machine }) => void machine.worktrees.push('pod/x-g1'), /pod\/x-g1 is on disk/],
  'a worktree that is gone': [({ machine }) => void machine.worktrees.pop(), /has a row and is not on disk/],
  'a worktree with two rows': [
    ({ database }) => void database.worktrees.push({ ...database.worktrees[0]! }),
    /has two rows/,
  ],
  'a worktree that outlived its task': [
    ({ database, now }) => void (database.tasks[0]!.endedAt = now - 200_000),
    /outlived its task/,
  ],

  'a service that ended by itself': [
    ({ hosts }) => void (hosts[0]!.events[1] = { at: 1, what: 'ended', pid: 1, code: 1, signal: null, asked: false }),
    /scheduler\/0 ended with 1/,
  ],
  'a complaint': [
    ({ complaints }) => void complaints.push({ at: 1, text: 'a 503 without Retry-After' }),
    /^a 503 without Retry-After$/,
  ],
};

describe('the auditor', () => {
  it('finds nothing where everything is right', () => {
    expect(audit(aRightWorld())).toEqual([]);
  });

  it.each(Object.entries(CASES))('sees %s', (_, [doctor, words]) => {
    const world = aRightWorld();
    doctor(world);
    expect(audit(world).map(({ what }) => what)).toContainEqual(expect.stringMatching(words));
  });

  it('lets a task be worked on again whose agent was killed, and believes what that one still said', () => {
    const world = aRightWorld();
    const [green] = world.agents;
    Object.assign(world.database.runs[0]!, { outcome: 'lost', number: 1, costUsd: '0.000500' });
    world.database.runs.push({ ...aRightWorld().database.runs[0]!, id: 'again', number: 2 });
    world.database.tasks[0]!.costUsd = '0.002000';
    world.database.logs[0]!.texts = [`${GREEN.name} line 1`, `${GREEN.name} line 2`];
    world.database.logs.push({ ...aRightWorld().database.logs[0]!, runId: 'again' });
    world.database.usage.push({ runId: 'again', costUsd: '0.0015' });
    world.agents.push({
      ...green!,
      runId: 'again',
      starts: [{ at: green!.end!.at + 10, pid: 3 }],
      end: { at: world.now, code: 0 },
    });
    Object.assign(green!, { end: null, lines: [1] });
    world.takenLives.push(GREEN.run);
    expect(audit(world)).toEqual([]);
  });

  it('takes a wish to merge a head that was outdated for none', () => {
    const world = aRightWorld();
    world.database.effects.push({ ...world.database.effects[3]!, id: 'm', state: 'refused', code: 'stale' });
    expect(audit(world)).toEqual([]);
  });

  it('knows the posted task by its title and id', () => {
    expect(aRightWorld().wanted[1]!.postedId).toBe(IDLE.task);
  });
});
