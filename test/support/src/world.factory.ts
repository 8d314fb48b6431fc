import { shortId, type Actor, type EffectKind, type Id, type ParkedKind, type TaskState } from '@capstan/domain';
import {
  PARKED_ROWS,
  Pod,
  PullRequest,
  Repository,
  Run,
  Workspace,
  createTask,
  newId,
  requestOfParkedRow,
  type AnswerJson,
  type Database,
  type NewParkedRequest,
  type NewTask,
  type ParkedRequest,
  type Task,
} from '@capstan/database';

/** The actor of everything that a spec does. */
export const SPEC: Actor = { kind: 'service', id: 'spec' };

/** A workspace with one repository, straight in the database. */
export async function aRepository(database: Database, over: Partial<Repository> = {}): Promise<Repository> {
  const workspaceId = over.workspaceId ?? newId();
  const id = over.id ?? newId();
  await database.transaction(async (tx) => {
    if (over.workspaceId === undefined)
      await tx.insert(Workspace, { id: workspaceId, name: 'Spec', slug: shortId(workspaceId) });
    await tx.insert(Repository, {
      forge: 'github',
      fullName: `acme/${shortId(id)}`,
      apiUrl: 'http://127.0.0.1:1/api/v3',
      cloneUrl: `http://127.0.0.1:1/acme/${shortId(id)}.git`,
      webUrl: `http://127.0.0.1:1/acme/${shortId(id)}`,
      defaultBranch: 'main',
      credentialSecret: 'GITHUB_TOKEN',
      agent: { agent: 'command', argv: ['true'] } as never,
      ...over,
      id,
      workspaceId,
    } as never);
  });
  const [row] = await database.query<Repository>('select * from repository where id = $1', [id]);
  return row!;
}

/** A task as the gateway would make it, events and outbox included. */
export async function aTask(database: Database, repository: Repository, over: Partial<NewTask> = {}): Promise<Task> {
  const { id } = await database.transaction((tx) =>
    createTask(tx, {
      workspaceId: repository.workspaceId,
      repositoryId: repository.id,
      kind: 'change',
      title: 'Make it so',
      body: '',
      baseBranch: 'main',
      createdBy: SPEC,
      cause: 'A spec wants it',
      traceparent: null,
      ...over,
    }),
  );
  return readTask(database, id);
}

export async function readTask(database: Database, id: Id): Promise<Task> {
  const [row] = await database.query<Task>('select * from task where id = $1', [id]);
  return row!;
}

/** A pod that is ready. */
export async function aPod(database: Database, repository: Repository, over: Partial<Pod> = {}): Promise<Pod> {
  const id = newId();
  await database.transaction((tx) =>
    tx.insert(Pod, {
      id,
      workspaceId: repository.workspaceId,
      repositoryId: repository.id,
      name: `pod-${shortId(id)}`,
      ordinal: 0,
      runtime: 'local',
      state: 'ready',
      capacity: repository.maxAgentsPerPod,
      readyAt: new Date(),
      ...over,
    } as never),
  );
  const [row] = await database.query<Pod>('select * from pod where id = $1', [id]);
  return row!;
}

/** A run in any state, with its task in the state that goes with it. */
export async function aRun(
  database: Database,
  repository: Repository,
  over: Partial<Run> & { taskState?: TaskState; task?: Task; pod?: Pod } = {},
): Promise<{ run: Run; task: Task; pod: Pod }> {
  const { taskState, task: givenTask, pod: givenPod, ...columns } = over;
  const task = givenTask ?? (await aTask(database, repository));
  const pod = givenPod ?? (await aPod(database, repository));
  const id = newId();
  await database.transaction(async (tx) => {
    await tx.insert(Run, {
      id,
      workspaceId: task.workspaceId,
      repositoryId: repository.id,
      taskId: task.id,
      number: task.runCount + 1,
      generation: task.generation,
      reason: 'initial',
      state: 'placed',
      podId: pod.id,
      slot: 0,
      agent: repository.agent as never,
      limits: { maxRunMinutes: 60, maxCostUsd: 10, maxTurns: 250, stallMinutes: 10 },
      branch: `capstan/${shortId(task.id)}-spec`,
      baseBranch: 'main',
      ...columns,
    } as never);
    // A spec's world may begin anywhere in a task's life: the guard is for what happens within it.
    await tx.query('alter table task disable trigger task_state_guard');
    await tx.query(
      'update task set state = $2, current_run_id = $3, run_count = run_count + 1, last_pod_id = $4 where id = $1',
      [task.id, taskState ?? 'provisioning', id, pod.id],
    );
    await tx.query('alter table task enable trigger task_state_guard');
  });
  const [run] = await database.query<Run>('select * from run where id = $1', [id]);
  return { run: run!, task: await readTask(database, task.id), pod };
}

/** A pull request of a run. */
export async function aPullRequest(
  database: Database,
  run: Run,
  over: Partial<PullRequest> = {},
): Promise<PullRequest> {
  const id = newId();
  await database.transaction((tx) =>
    tx.insert(PullRequest, {
      id,
      workspaceId: run.workspaceId,
      repositoryId: run.repositoryId,
      taskId: run.taskId,
      runId: run.id,
      generation: run.generation,
      branch: run.branch,
      baseBranch: run.baseBranch,
      title: 'Make it so',
      state: 'open',
      number: 7,
      ...over,
    } as never),
  );
  const [row] = await database.query<PullRequest>('select * from pull_request where id = $1', [id]);
  return row!;
}

/** An agent runner that is alive for as long as a spec takes. */
export async function aWorker(database: Database, slots = 50): Promise<void> {
  await database.query(
    `insert into worker (id, host, slots, heartbeat_at) values ($1, 'spec', $2, now() + interval '1 hour')`,
    [`worker-${shortId(newId())}`, slots],
  );
}

/** Parks a row that has failed at its cap. */
export async function park(database: Database, kind: ParkedKind, id: Id, lastError = 'boom'): Promise<void> {
  await database.query(`update "${kind}" set parked_at = now(), attempts = 8, last_error = $2 where id = $1`, [
    id,
    lastError,
  ]);
}

/** What a person asks of a parked row, applied by its owner, and the owner's answer. */
export async function askOfParked(
  database: Database,
  owner: { apply(requestId: Id): Promise<void> },
  row: Pick<NewParkedRequest, 'workspaceId' | 'kind' | 'rowId' | 'action'> & { readonly effectKind?: EffectKind },
): Promise<AnswerJson> {
  const { id } = await database.transaction((tx) =>
    requestOfParkedRow(tx, { effectKind: null, reason: null, actor: SPEC, ...row }),
  );
  await owner.apply(id);
  const [request] = await database.query<ParkedRequest>('select * from parked_request where id = $1', [id]);
  return request!.answer!;
}

/** Kinds and ids of what the list of parked rows shows. */
export function parkedIn(database: Database): Promise<{ readonly kind: ParkedKind; readonly id: Id }[]> {
  return database.query(`select kind, id from ${PARKED_ROWS} parked order by parked_at, id`);
}
