import {
  TASK_TRANSITIONS,
  canTransition,
  type RunOutcome,
  type TaskRequestKind,
  type TransitionName,
} from '@capstan/domain';
import type { TaskPatch } from '@capstan/database';
import {
  UNCONFIRMED_AFTER_MS,
  decideAdvance,
  type AdvanceSnapshot,
} from '@capstan/scheduler/advance-task/advance-task.decide';
import { decideAnswer, type RequestPlan } from '@capstan/scheduler/answer-request/answer-request.decide';
import type { Step, World } from './world.js';

const NOW = 1_800_000_000_000;

/** The scheduler's steps of one task: the next transition, and what people ask of it. Placement is the system's. */
export function schedulerSteps(world: World): Step[] {
  return [...advance(world), ...unreachable(world), ...ask(world)];
}

/** One transaction of `advance-task`: its snapshot is guarded by the row's version, so nothing comes between. */
function advance(world: World): Step[] {
  const plan = decideAdvance(advanceSnapshot(world));
  if (plan.kind === 'none') return [];
  const moved = changed(world, plan.transition, plan.patch);
  const name = `scheduler: ${plan.transition}`;
  if (typeof moved === 'string') return [{ name, to: moved }];
  if (world.intent === 'cancel' && moved.intent === null && moved.state !== 'cancelled' && moved.state !== 'completed')
    return [{ name, to: `a task that was to be cancelled became ${moved.state}` }];
  return [{ name, to: plan.fenceRun === true ? fenceRun(moved) : moved }];
}

function fenceRun(world: World): World {
  const { run } = world;
  if (run === null || run.state === 'finished') return world;
  return {
    ...world,
    quarantine: true,
    run: {
      ...run,
      state: 'finished',
      outcome: 'lost',
      fenced: true,
      epoch: run.epoch + 1,
      turn: run.turn + 1,
      ranOut: true,
    },
  };
}

/** The pod can't be asked for a minute while an agent is to be stopped. */
function unreachable(world: World): Step[] {
  const waits = world.intent !== null && !world.overdue && world.run !== null && world.run.state !== 'finished';
  return waits ? [{ name: 'nobody can reach the pod for a minute', fault: true, to: { ...world, overdue: true } }] : [];
}

const REQUESTS: readonly TaskRequestKind[] = ['cancel', 'retry', 'force_restart', 'message'];

function ask(world: World): Step[] {
  return REQUESTS.flatMap((kind): Step[] => {
    const plan = decideAnswer({
      now: NOW,
      request: { kind, priority: null },
      task: { state: world.state, intent: world.intent, generation: 1, notBefore: null },
      runState: world.run?.state ?? null,
      spent: { costUsd: 0, maxCostUsd: 10 },
      command: null,
      archived: false,
      openDependencies: [],
      pullRequest: world.pull?.numbered === true ? { open: world.pull.state === 'open' } : null,
      cycle: null,
    });
    return plan.applied && (plan.transition ?? plan.patch) !== undefined ? [answered(world, kind, plan)] : [];
  });
}

function answered(world: World, kind: TaskRequestKind, { transition, patch = {} }: RequestPlan): Step {
  return { name: `a person asks: ${kind}`, turn: true, to: changed(world, transition, patch) };
}

/** What `changeTask` writes, with the database's trigger. */
export function changed(world: World, transition: TransitionName | undefined, patch: TaskPatch): World | string {
  if (transition !== undefined && !canTransition(transition, world.state))
    return `${transition} of a ${world.state} task is not in the table`;
  const intent = patch.intent === undefined ? world.intent : patch.intent;
  return {
    ...world,
    state: transition === undefined ? world.state : TASK_TRANSITIONS[transition].to,
    intent,
    overdue: intent !== null && world.overdue,
    retries: patch.retries ?? world.retries,
    ciResumes: patch.ciResumes ?? world.ciResumes,
    unconfirmed: patch.agentUnconfirmed ?? world.unconfirmed,
  };
}

function advanceSnapshot({ state, intent, overdue, retries, ciResumes, run, pull }: World): AdvanceSnapshot {
  return {
    now: NOW,
    random: 0.5,
    task: {
      id: 'task',
      kind: 'change',
      state,
      intent,
      intentAt: intent === null ? null : overdue ? NOW - UNCONFIRMED_AFTER_MS : NOW,
      retries,
      ciResumes,
      generation: 1,
      maxCostUsd: 10,
      attention: null,
      hasMessages: false,
    },
    run: run && { id: 'run', state: run.state, generation: 1, outcome: run.outcome && outcomeOf(run.outcome) },
    pullRequest: pull && {
      id: 'pull',
      runId: pull.mine ? 'run' : 'older run',
      state: pull.state,
      number: pull.numbered ? 7 : null,
      refusal: pull.refusal && { code: pull.refusal, detail: 'words' },
      headSha: pull.pushed === 'none' ? null : pull.pushed,
    },
    dependencies: [],
    costUsd: 0,
    redBefore: [],
  };
}

/** A run's outcome with the symptom that goes with it. */
export function outcomeOf(kind: RunOutcome['kind']): RunOutcome {
  switch (kind) {
    case 'commits':
      return { kind, detail: 'words', head: 'mine', base: 'base', commitCount: 1 };
    case 'no_changes':
      return { kind, detail: 'words', symptom: 'no_changes' };
    case 'lost':
      return { kind, detail: 'words', symptom: 'run_lost' };
    default:
      return { kind, detail: 'words' };
  }
}
