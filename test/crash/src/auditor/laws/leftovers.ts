import { basename } from 'node:path';
import { violation, type Violation } from '../violation.js';
import type { World } from '../world.js';

const EFFECTS = 'no effect is unfinished, refused or parked';
const ROWS = 'nothing waits that nobody will look at';
const MACHINE = 'no process, worktree, pod or lock is left over';
/** The relay sweeps each second; a row that is older than this is stuck. */
const OUTBOX_MS = 5_000;
/** Worktrees are swept each 30 s. */
const SWEEPS_MS = 75_000;

export function leftovers(world: World): Violation[] {
  return [...effects(world), ...rows(world), ...onMachine(world), ...worktrees(world)];
}

function effects({ database }: World): Violation[] {
  return database.effects
    .filter(({ state, kind, code }) => state !== 'done' && !isOutdatedMerge(state, kind, code))
    .map((effect) =>
      violation(EFFECTS, `${effect.kind} of task ${effect.taskId} is ${effect.state} ${effect.code ?? ''}`, effect),
    );
}

/** A wish to merge a head that was no longer right is refused as stale, and judged anew. */
function isOutdatedMerge(state: string, kind: string, code: string | null): boolean {
  return state === 'refused' && kind === 'merge_pull_request' && code === 'stale';
}

function rows({ database }: World): Violation[] {
  return [
    ...database.parked.map((row) => violation(ROWS, `${row.table} ${row.id} is parked: ${row.lastError}`, row)),
    ...database.outbox
      .filter(({ ageMs }) => ageMs > OUTBOX_MS)
      .map((row) => violation(ROWS, `${row.event} waits in the outbox (${row.id})`, row)),
    ...database.unanswered.map((row) => violation(ROWS, `the request ${row.kind} was never answered`, row)),
    ...database.locks.map((lock) => violation(ROWS, `connection ${lock.pid} holds advisory lock ${lock.key}`, lock)),
    ...database.pods
      .filter(({ state, deleted }) => !deleted && state !== 'ready')
      .map((pod) => violation(ROWS, `pod ${pod.name} is ${pod.state}`, pod)),
  ];
}

function onMachine({ machine, database }: World): Violation[] {
  const live = new Set(database.pods.filter(({ deleted }) => !deleted).map(({ name }) => name));
  return [
    ...machine.processes.map((each) => violation(MACHINE, `process ${each.pid} still runs: ${each.command}`, each)),
    ...machine.lockFiles.map((file) => violation(MACHINE, `the lock file ${file} is left`, { file })),
    ...machine.pods
      .filter((name) => !live.has(name))
      .map((name) => violation(MACHINE, `pod ${name} is on disk, and no row knows it`, { name })),
    ...[...live]
      .filter((name) => !machine.pods.includes(name))
      .map((name) => violation(MACHINE, `pod ${name} is not on disk`, { name })),
  ];
}

/** `POD/WORKTREE`, of rows and of the disk: each has to know the other. */
function worktrees(world: World): Violation[] {
  const { machine, database } = world;
  const rows = database.worktrees
    .filter(({ removed }) => !removed)
    .map(({ podName, path }) => `${podName}/${basename(path.replace(/\/tree$/, ''))}`);
  return [
    ...machine.worktrees
      .filter((each) => !rows.includes(each))
      .map((each) => violation(MACHINE, `worktree ${each} is on disk, and no row knows it`, { each })),
    ...rows
      .filter((each) => !machine.worktrees.includes(each))
      .map((each) => violation(MACHINE, `worktree ${each} has a row and is not on disk`, { each })),
    ...rows
      .filter((each, index) => rows.indexOf(each) !== index)
      .map((each) => violation(MACHINE, `worktree ${each} has two rows`, { each })),
    ...outlived(world),
  ];
}

/** Those of tasks that ended longer ago than worktrees are kept, and than two sweeps take. */
function outlived({ database, now, worktreesKeptMs }: World): Violation[] {
  const ended = new Map(database.tasks.map(({ id, endedAt }) => [id, endedAt]));
  return database.worktrees
    .filter(({ removed, taskId }) => {
      const at = ended.get(taskId) ?? null;
      return !removed && at !== null && now - at > worktreesKeptMs + SWEEPS_MS;
    })
    .map((worktree) => violation(MACHINE, `worktree ${worktree.path} outlived its task`, worktree));
}
