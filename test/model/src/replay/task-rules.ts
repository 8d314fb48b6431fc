import { LEGAL_PAIRS, TASK_TRANSITIONS, type TaskState, type TransitionName } from '@capstan/domain';
import type { Present } from './present.js';
import type { Change, TaskColumns } from './trace.js';

/** What is wrong with a task that comes into being; null when nothing is. */
export function newTask(task: TaskColumns): string | null {
  if (task.state !== 'waiting' && task.state !== 'queued') return `a task begins as ${task.state}`;
  return task.version === 1 && task.generation === 1 ? null : 'a task begins with a version or generation other than 1';
}

/** What is wrong with one change of a task; null when nothing is. */
export function changedTask({ old, now }: Change<'task'>, present: Present): string | null {
  return versions(old, now) ?? intents(old, now) ?? moved(old, now, present);
}

const MEANINGFUL = ['state', 'intent', 'generation', 'current_run_id', 'run_count', 'agent_unconfirmed'] as const;

function versions(old: TaskColumns, now: TaskColumns): string | null {
  if (now.version !== old.version && now.version !== old.version + 1)
    return `its version goes from ${old.version} to ${now.version}`;
  const changed = MEANINGFUL.filter((column) => now[column] !== old[column]);
  if (changed.length > 0 && now.version === old.version) return `${changed.join(', ')} changed and its version didn't`;
  if (now.generation !== old.generation && now.generation !== old.generation + 1)
    return `its generation goes from ${old.generation} to ${now.generation}`;
  return null;
}

function intents(old: TaskColumns, now: TaskColumns): string | null {
  if (old.intent !== 'cancel' || now.intent === 'cancel') return null;
  if (now.state === 'cancelled' || now.state === 'completed') return null;
  return `it was to be cancelled, and became ${now.state} with the intent ${now.intent}`;
}

/** Transitions by the pair that they connect: `provisioning queued` → requeue. */
const TRANSITION_OF = new Map<string, TransitionName>(
  (Object.keys(TASK_TRANSITIONS) as TransitionName[]).flatMap((name) =>
    (TASK_TRANSITIONS[name].from as readonly TaskState[]).map(
      (from) => [`${from} ${TASK_TRANSITIONS[name].to}`, name] as const,
    ),
  ),
);

function moved(old: TaskColumns, now: TaskColumns, present: Present): string | null {
  if (now.state === old.state) {
    if (now.current_run_id !== old.current_run_id) return 'it got another run without being placed';
    return null;
  }
  const name = TRANSITION_OF.get(`${old.state} ${now.state}`);
  if (name === undefined || !LEGAL_PAIRS.some(([from, to]) => from === old.state && to === now.state))
    return `${old.state} → ${now.state} is no transition`;
  return because(name, old, now, present);
}

/** Whether what the transition rests on is there. */
function because(name: TransitionName, old: TaskColumns, now: TaskColumns, present: Present): string | null {
  const run = old.current_run_id === null ? undefined : present.run.get(old.current_run_id);
  const placed = now.current_run_id !== old.current_run_id;
  if (placed !== (name === 'place')) return `${name} ${placed ? 'gave it' : 'left it without'} another run`;
  const over = run === undefined || run.state === 'finished';
  const outcome = run?.outcome?.kind;
  switch (name) {
    case 'place':
      if (!over) return 'it was placed while a run of it was unfinished';
      return now.run_count === old.run_count + 1
        ? null
        : `it was placed, and its runs went from ${old.run_count} to ${now.run_count}`;
    // What was read a moment before: a run that was launched may be over when this is committed.
    case 'start': {
      const launched = run?.state === 'running' || (over && (run?.launched_at ?? null) !== null);
      return launched ? null : `it started, and its run is ${run?.state ?? 'missing'}`;
    }
    case 'openPullRequest':
      return outcome === 'commits' ? null : `its pull request was opened, and its run left ${outcome ?? 'nothing yet'}`;
    case 'requeue':
    case 'needAttention':
    case 'fail':
      return over || old.state === 'needs_attention' ? null : `${name} while its run was ${run.state}`;
    case 'cancel':
      return over || now.agent_unconfirmed ? null : `cancelled as confirmed while its run was ${run.state}`;
    case 'sendBack':
    case 'retry':
    case 'dependenciesMet':
    case 'dependencyFailed':
    case 'complete':
      return null;
  }
}
