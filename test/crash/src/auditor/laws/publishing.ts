import type { JournalEntry } from '@capstan/test-support';
import { KINDS } from '../../workload/kinds.js';
import { violation, type Violation } from '../violation.js';
import type { ForgeRepository, Pull, TaskRow, World } from '../world.js';

const LAW = 'one branch, one pull request and one merge, or none';
const NOTHING = /^0+$/;

type Push = Extract<JournalEntry, { kind: 'push' }>;

export function publishing(world: World): Violation[] {
  return world.forge.flatMap((repository) => [
    ...strangers(world, repository),
    ...tasksOf(world, repository).flatMap((task) => perTask(world, repository, task)),
    ...baseBranch(world, repository),
  ]);
}

function tasksOf({ database }: World, { fullName }: ForgeRepository): TaskRow[] {
  return database.tasks.filter((task) => task.fullName === fullName);
}

function isBranchOf({ id }: TaskRow, branch: string): boolean {
  return branch.startsWith(`capstan/${id.slice(-8)}-`);
}

function pushesTo({ journal }: World, { fullName }: ForgeRepository): Push[] {
  return journal.filter((entry): entry is Push => entry.kind === 'push' && entry.fullName === fullName);
}

function strangers(world: World, repository: ForgeRepository): Violation[] {
  const tasks = tasksOf(world, repository);
  const known = (branch: string): boolean => tasks.some((task) => isBranchOf(task, branch));
  const { fullName } = repository;
  return [
    ...repository.branches
      .filter(({ name }) => name !== 'main' && !known(name))
      .map((branch) => violation(LAW, `${fullName}: the branch ${branch.name} belongs to no task`, branch)),
    ...repository.pulls
      .filter(({ branch }) => !known(branch))
      .map((pull) => violation(LAW, `${fullName}#${pull.number} belongs to no task`, pull)),
  ];
}

function perTask(world: World, repository: ForgeRepository, task: TaskRow): Violation[] {
  const wanted = world.wanted.find(({ name }) => name === task.title);
  if (wanted === undefined) return []; // another law says so
  const kind = KINDS[wanted.kind];
  const made = pushesTo(world, repository).filter(
    ({ ref, before }) => NOTHING.test(before) && isBranchOf(task, ref.replace('refs/heads/', '')),
  );
  const pulls = repository.pulls.filter(({ branch }) => isBranchOf(task, branch));
  const rows = world.database.pullRequests.filter(({ taskId }) => taskId === task.id);
  const count = kind.pullRequest === 'none' ? 0 : 1;
  const found: Violation[] = [];
  if (made.length !== count) found.push(violation(LAW, `${task.title} made ${made.length} branches`, made));
  if (pulls.length !== count) found.push(violation(LAW, `${task.title} has ${pulls.length} pull requests`, pulls));
  if (rows.length !== count) found.push(violation(LAW, `${task.title} has ${rows.length} rows of pull requests`, rows));
  const pull = pulls[0];
  if (pull === undefined || found.length > 0) return found;
  return [...onePull(world, repository, task, pull), ...oneMerge(world, repository, task, pull)];
}

function onePull(world: World, repository: ForgeRepository, task: TaskRow, pull: Pull): Violation[] {
  const { pullRequest } = KINDS[world.wanted.find(({ name }) => name === task.title)!.kind];
  const row = world.database.pullRequests.find(({ taskId }) => taskId === task.id)!;
  const last = world.database.runs
    .filter(({ taskId, outcome }) => taskId === task.id && outcome === 'commits')
    .sort((one, other) => one.number - other.number)
    .at(-1);
  const tip = repository.branches.find(({ name }) => name === pull.branch)?.sha;
  const faults: string[] = [];
  if (pull.merged !== (pullRequest === 'merged')) faults.push(pull.merged ? 'is merged' : 'is not merged');
  if (!pull.merged && pull.state !== 'open') faults.push(`is ${pull.state}`);
  if (row.state !== pullRequest) faults.push(`is ${row.state} in the database`);
  if (row.number !== pull.number) faults.push(`is #${row.number} in the database`);
  if (row.pushedSha !== pull.headSha) faults.push(`has head ${pull.headSha}; ${row.pushedSha} was pushed`);
  if (last?.headSha !== pull.headSha) faults.push(`has head ${pull.headSha}; the last run ended at ${last?.headSha}`);
  if (tip !== undefined && tip !== pull.headSha) faults.push(`has head ${pull.headSha}; its branch is at ${tip}`);
  const name = `${repository.fullName}#${pull.number} of ${task.title}`;
  return faults.map((fault) => violation(LAW, `${name} ${fault}`, { pull, row, last }));
}

function oneMerge(world: World, repository: ForgeRepository, task: TaskRow, pull: Pull): Violation[] {
  if (!pull.merged) return [];
  const subject = `${task.title} (#${pull.number})`;
  const commits = repository.commits.filter((commit) => commit.subject === subject);
  const asked = world.journal.filter(
    (entry) =>
      entry.kind === 'request' &&
      entry.method === 'PUT' &&
      entry.path === `/repos/${repository.fullName}/pulls/${pull.number}/merge` &&
      entry.status === 200,
  );
  const row = world.database.pullRequests.find(({ taskId }) => taskId === task.id)!;
  const faults: string[] = [];
  if (commits.length !== 1) faults.push(`was merged by ${commits.length} commits`);
  if (asked.length > 1) faults.push(`was merged ${asked.length} times`);
  if (commits.length === 1 && row.mergeCommit !== commits[0]!.sha)
    faults.push(`was merged as ${commits[0]!.sha}; the database says ${row.mergeCommit}`);
  const file = `work/${task.title}.txt`;
  if (repository.files[file] !== `${task.title} is done\n`)
    faults.push(`left ${JSON.stringify(repository.files[file] ?? null)} in ${file}`);
  return faults.map((fault) => violation(LAW, `${task.title} ${fault}`, { pull, commits, asked }));
}

/** Nothing lies on the base branch but its first commit, what people pushed, and merges of pull requests. */
function baseBranch(world: World, repository: ForgeRepository): Violation[] {
  const merges = new Set(repository.pulls.filter(({ merged }) => merged).map(({ mergeCommit }) => mergeCommit));
  return repository.commits
    .slice(1)
    .filter(({ sha, author }) => author !== 'ann' && !merges.has(sha))
    .map((commit) => violation(LAW, `${repository.fullName}: ${commit.sha} on main is no merge`, commit));
}
