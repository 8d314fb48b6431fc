import { isAbsolute } from 'node:path';
import {
  MAX_JOURNAL_BYTES,
  RUN_ID_VARIABLE,
  TransientError,
  UserError,
  errorText,
  type LaunchRequest,
  type PrepareRequest,
  type RunOutcome,
  type StartRequest,
} from '@capstan/domain';
import { renderPrompt, type AgentAdapter, type AgentSettings } from '@capstan/agents';
import type { Run } from '@capstan/database';
import type { BoundaryRequest, StartedRun, SupervisorClient } from '@capstan/runtimes';
import type { DriveWorld } from './drive-run.snapshot.js';
import { egressEnvironment, gitEnvironment, gitRemote, type EgressAccess } from './egress-access.js';
import { standsInFor, type AskLogIn } from './own-log-in.js';

/** What the supervisor says when it was asked and couldn't prepare; everything else is the connection's. */
const PREPARE_REFUSALS = new Set(['fetch_failed', 'locked', 'git_unavailable', 'failed']);

/** Directories of a task in its pod. */
export interface TaskDirectories {
  /** Everything that is this task's: worktree, home, and what they are made from. */
  readonly task: string;
  readonly clone: string;
  readonly worktree: string;
  readonly home: string;
  readonly cache: string;
}

/** Where things lie under a pod's root: one clone, and one tree and home per task and generation. */
export function directoriesOf(root: string, run: Pick<Run, 'taskId' | 'generation'>): TaskDirectories {
  const task = `${root}/worktrees/${run.taskId}-g${run.generation}`;
  return { task, clone: `${root}/clone`, worktree: `${task}/tree`, home: `${task}/home`, cache: `${root}/cache` };
}

/** What the supervisor needs to make the worktree. It is fetched through egress, with the run's own token. */
export function prepareRequest(
  run: Run,
  world: DriveWorld,
  directories: TaskDirectories,
  { egress, askedMsAgo }: { readonly egress: EgressAccess; readonly askedMsAgo: number },
): PrepareRequest {
  return {
    ...gitRemote(egress, world.repository.cloneUrl),
    baseBranch: run.baseBranch,
    branch: run.branch,
    clone: directories.clone,
    worktree: directories.worktree,
    home: directories.home,
    fresh: false,
    askedMsAgo: Math.floor(askedMsAgo),
    branchIsNew: world.firstRun,
  };
}

/** What the supervisor launches: the agent's command line, prompt and limits. Throws UserError for wrong settings. */
export function launchRequest(input: {
  readonly run: Run;
  readonly world: DriveWorld;
  readonly agent: AgentAdapter;
  readonly directories: TaskDirectories;
  readonly secrets: Readonly<Record<string, string>>;
  readonly podEnvironment: Readonly<Record<string, string | undefined>>;
  readonly egress: EgressAccess;
  readonly deadlineAt: number;
}): LaunchRequest {
  const { run, world, agent, directories } = input;
  const settings: AgentSettings = run.agent;
  agent.validate(settings);
  const command = agent.command({
    settings,
    prompt: promptOf(run, world),
    limits: run.limits,
    worktree: directories.worktree,
    home: directories.home,
    secrets: input.secrets,
    podEnvironment: { ...input.podEnvironment, ...egressEnvironment(input.egress) },
    modelDoor: input.egress.url,
    cacheDirectory: directories.cache,
    ...(resumes(run, world) && { resumeSession: world.session }),
  });
  return {
    epoch: run.epoch,
    argv: command.argv,
    env: { ...gitEnvironment(input.egress, world.repository.cloneUrl), ...command.env, [RUN_ID_VARIABLE]: run.id },
    cwd: directories.worktree,
    deadlineAt: input.deadlineAt,
    maxJournalBytes: MAX_JOURNAL_BYTES,
    ...(command.stdin === undefined ? {} : { stdin: command.stdin }),
    ...(command.keepStdinOpen === undefined ? {} : { keepStdinOpen: command.keepStdinOpen }),
    ...(command.files === undefined ? {} : { files: command.files }),
  };
}

/** What the agent is to see of its pod and of the machine: its own task and the pod's caches, and what these need. */
export function boundaryRequest(
  { task, cache, clone }: TaskDirectories,
  { argv, env }: Pick<LaunchRequest, 'argv' | 'env'>,
): BoundaryRequest {
  const [name = '', ...rest] = argv;
  const program = { name, path: env['PATH'] ?? '' };
  return { writable: [task, cache], readable: [clone], program, files: rest.filter((word) => isAbsolute(word)) };
}

/** Whether the run goes on from the session of the task's last one. */
export function resumes<World extends Pick<DriveWorld, 'session'>>(
  run: Pick<Run, 'reason'>,
  world: World,
): world is World & { readonly session: string } {
  return Boolean(world.session) && run.reason !== 'initial';
}

function promptOf(run: Run, world: DriveWorld): string {
  const { task, ticket, repository } = world;
  return renderPrompt({
    template: repository.promptTemplate,
    ticket: {
      title: task.title,
      body: ticket?.body ?? task.body,
      url: ticket?.url ?? null,
      comments: ticket?.comments ?? [],
    },
    instructions: repository.instructions,
    reason: run.reason,
    ...(run.reason === 'ci_failed' && run.note !== null ? { failures: [{ name: 'checks', summary: run.note }] } : {}),
    messages: world.messages,
    branch: run.branch,
    base: run.baseBranch,
  }).text;
}

/**
 * The secrets that an agent asked for; at least one of its credentials must be set, or have a log-in of this machine
 * stand in for it. A key stays outside the pod: in its place is the run's token, which egress exchanges for it. Throws
 * UserError `credential_missing` or `log_in_expired`.
 */
export async function agentSecrets(
  agent: AgentAdapter,
  { token }: Pick<EgressAccess, 'token'>,
  get: (name: string) => Promise<string | null>,
  logIn: AskLogIn = async () => null,
): Promise<Readonly<Record<string, string>>> {
  const exchanged = (name: string): boolean => agent.credentials.includes(name) && !agent.direct?.includes(name);
  const found: Record<string, string> = {};
  for (const name of [...agent.credentials, ...(agent.options ?? [])]) {
    const value = await get(name);
    if (value !== null) found[name] = exchanged(name) ? token : value;
  }
  const isMissing = (): boolean => !agent.credentials.some((name) => name in found);
  if (agent.credentials.length === 0 || !isMissing()) return found;
  for (const name of await standsInFor(agent, logIn)) found[name] = token;
  if (isMissing())
    throw new UserError(`${agent.title} needs a credential: none of ${agent.credentials.join(', ')} is set`, {
      code: 'credential_missing',
      field: agent.credentials[0]!,
      remedy: `Set ${agent.credentials[0]} under Settings → Secrets.`,
    });
  return found;
}

/** A refusal comes back as a value; what a fence or a broken connection means is for others to say. */
export async function startOrRefusal(
  supervisor: SupervisorClient,
  runId: string,
  request: Required<StartRequest>,
  signals: { readonly signal: AbortSignal; readonly preparing?: AbortSignal },
): Promise<StartedRun | UserError | TransientError> {
  try {
    return await supervisor.startAndFollow(runId, request, signals);
  } catch (error) {
    if (error instanceof UserError && error.code !== 'fenced' && error.code !== 'replaced') return error;
    if (error instanceof TransientError && PREPARE_REFUSALS.has(error.code)) return error;
    throw error;
  }
}

/** Tries of a preparation that failed for a reason of the pod's own that may pass. */
const PREPARE_TRIES = 3;
/** A forge that is away is nobody's failure: it is waited for this long before the run gives up, ms. */
const FORGE_AWAY_MS = 120_000;

/** Whether a preparation that failed so is not tried again. */
export function isPrepareGivenUp(error: UserError | TransientError, attempt: number, elapsedMs: number): boolean {
  if (error instanceof UserError) return true;
  return error.code === 'fetch_failed' ? elapsedMs >= FORGE_AWAY_MS : attempt >= PREPARE_TRIES;
}

/** The outcome of a run whose worktree can't be had. */
export function prepareFailure(error: unknown): RunOutcome {
  const code = error instanceof UserError || error instanceof TransientError ? error.code : '';
  const detail = `The worktree could not be prepared: ${errorText(error)}`;
  if (code === 'fetch_refused') return { kind: 'credential_refused', detail, symptom: 'fetch_refused' };
  return { kind: 'failed', detail, symptom: 'prepare_failed' };
}

/** The outcome of a run whose agent can't be started with the settings or credentials that there are. */
export function settingsFailure(error: UserError): RunOutcome {
  const missing = error.code === 'credential_missing' || error.code === 'log_in_expired';
  const own = missing || error.code === 'isolation_unproven';
  return {
    kind: missing ? 'credential_refused' : 'failed',
    detail: [error.message, error.remedy].filter(Boolean).join('. '),
    symptom: own ? error.code : 'agent_settings_invalid',
  };
}

export type PodSight = Pick<DriveWorld['pod'], 'state' | 'deletedAt' | 'problem'>;

/** What becomes of a run whose pod is not fit for it; null while it is. A run that never starts can do without one. */
export function podFault(
  pod: PodSight | null,
  { neverStarts, started }: { readonly neverStarts: boolean; readonly started: boolean },
): RunOutcome | null {
  if (pod?.deletedAt === null && (pod.state === 'ready' || (pod.state === 'provisioning' && neverStarts))) return null;
  const { detail, code } = pod?.problem ?? {};
  if (pod?.state === 'error' && !started)
    return { kind: 'failed', detail: detail ?? 'The pod could not be made', symptom: code ?? 'pod_failed' };
  return { kind: 'lost', detail: detail ?? 'The pod went away', symptom: code ?? 'pod_lost' };
}
