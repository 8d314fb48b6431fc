import type { Id } from '../ids.js';

/** What sort of work a task is. Only `change` ends in a pull request. */
export const TASK_KINDS = ['change', 'review', 'job'] as const;
export type TaskKind = (typeof TASK_KINDS)[number];

export const TASK_STATES = [
  'waiting',
  'queued',
  'provisioning',
  'running',
  'pr_opened',
  'needs_attention',
  'failed',
  'cancelled',
  'completed',
] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** States that hold a place within the global and the repository's concurrency limit. */
export const ACTIVE_STATES = ['provisioning', 'running'] as const satisfies readonly TaskState[];
/** States in which nothing more happens by itself. */
export const ENDED_STATES = ['completed', 'failed', 'cancelled'] as const satisfies readonly TaskState[];

export function isActive(state: TaskState): boolean {
  return (ACTIVE_STATES as readonly TaskState[]).includes(state);
}
export function isEnded(state: TaskState): boolean {
  return (ENDED_STATES as readonly TaskState[]).includes(state);
}

/** A wish that a person expressed for a task; honoured when the agent is confirmed gone. */
export const TASK_INTENTS = ['cancel', 'restart', 'redo'] as const;
export type TaskIntent = (typeof TASK_INTENTS)[number];

/** What somebody may ask of a task, as rows that the scheduler alone applies. */
export const TASK_REQUEST_KINDS = [
  'cancel',
  'retry',
  'force_restart',
  'force_redo',
  'check_now',
  'reprioritize',
  'set_dependencies',
  'set_limits',
  'message',
  'interrupt',
] as const;
export type TaskRequestKind = (typeof TASK_REQUEST_KINDS)[number];

/** Board columns in display order (DESIGN §2). */
export const BOARD_COLUMNS = ['queued', 'working', 'needs_you', 'in_review', 'done'] as const;
export type BoardColumn = (typeof BOARD_COLUMNS)[number];

export const COLUMN_OF_STATE: Readonly<Record<TaskState, BoardColumn>> = {
  waiting: 'queued',
  queued: 'queued',
  provisioning: 'working',
  running: 'working',
  needs_attention: 'needs_you',
  failed: 'needs_you',
  pr_opened: 'in_review',
  completed: 'done',
  cancelled: 'done',
};

/** Limits of one task's runs. Undefined members fall back to the repository's. */
export interface RunLimits {
  /** Minutes one run may last. */
  readonly maxRunMinutes: number;
  /** US dollars that a task may cost over all its runs. */
  readonly maxCostUsd: number;
  readonly maxTurns: number;
  /** Minutes without a line after which a run is shown as stalled; it is not killed. */
  readonly stallMinutes: number;
}

/** True when a task may cost nothing more. What costs nothing is never too expensive, not even where 0 is the limit. */
export function costLimitReached(costUsd: number, maxCostUsd: number): boolean {
  return costUsd > 0 && costUsd >= maxCostUsd;
}

export const DEFAULT_LIMITS: RunLimits = { maxRunMinutes: 60, maxCostUsd: 10, maxTurns: 250, stallMinutes: 10 };

/** Lower runs first. */
export const DEFAULT_PRIORITY = 100;

/** Who caused something: a person, a service, or the outside world. */
export interface Actor {
  readonly kind: 'user' | 'service' | 'forge' | 'tracker';
  /** User id, service name, or the login at the forge. */
  readonly id: string;
}

export interface TaskRef {
  readonly id: Id;
  readonly workspaceId: Id;
  readonly repositoryId: Id;
}
