import type { RunState } from '@capstan/domain';
import type { Present } from './present.js';
import type { Change, RunColumns } from './trace.js';

/** What is wrong with a run that comes into being; null when nothing is. */
export function newRun(run: RunColumns, present: Present): string | null {
  if (run.state !== 'placed' || run.epoch !== 0 || run.outcome !== null || run.owner !== null)
    return 'a run begins otherwise than placed, without owner, epoch and outcome';
  const before = present.runCounts.get(run.task_id) ?? 0;
  if (present.runCounts.has(run.task_id) && run.number !== before + 1) return `run ${run.number} follows run ${before}`;
  if (present.task.get(run.task_id)?.current_run_id !== run.id) return 'its task was not given to it';
  if (present.openWhere((other) => other.task_id === run.task_id) > 0) return 'its task has another unfinished run';
  if (present.openWhere((other) => other.pod_id === run.pod_id && other.slot === run.slot) > 0)
    return `slot ${run.slot} of its pod is taken`;
  if (present.fencedPods.has(run.pod_id)) return 'a run of its pod was fenced: it takes nothing new';
  return limits(run, present);
}

function limits(run: RunColumns, present: Present): string | null {
  const { maxConcurrent = Infinity, maxConcurrentTasks = {}, maxAgentsPerPod = Infinity } = present.limits;
  const count = (holds: (other: RunColumns) => boolean): number => present.openWhere(holds) + 1;
  const all = count(() => true);
  if (all > maxConcurrent) return `${all} runs are unfinished where ${maxConcurrent} are allowed`;
  const here = count((other) => other.repository_id === run.repository_id);
  const most = maxConcurrentTasks[run.repository_id] ?? Infinity;
  if (here > most) return `${here} runs of its repository are unfinished where ${most} are allowed`;
  const inPod = count((other) => other.pod_id === run.pod_id);
  return inPod > maxAgentsPerPod ? `${inPod} runs are in its pod where ${maxAgentsPerPod} are allowed` : null;
}

/** What is wrong with one change of a run; null when nothing is. */
export function changedRun({ old, now }: Change<'run'>): string | null {
  return identity(old, now) ?? finality(old, now) ?? states(old, now) ?? epochs(old, now) ?? progress(old, now);
}

function identity(old: RunColumns, now: RunColumns): string | null {
  for (const column of ['task_id', 'number', 'pod_id', 'slot'] as const)
    if (old[column] !== now[column]) return `its ${column} changed`;
  if (now.version !== old.version && now.version !== old.version + 1)
    return `its version goes from ${old.version} to ${now.version}`;
  const changed = now.state !== old.state || now.epoch !== old.epoch;
  return changed && now.version === old.version ? "its state or epoch changed and its version didn't" : null;
}

function finality(old: RunColumns, now: RunColumns): string | null {
  if ((now.state === 'finished') !== (now.outcome !== null))
    return 'it has an outcome otherwise than when it is finished';
  if (old.state !== 'finished') return null;
  if (now.state !== 'finished' || now.outcome?.kind !== old.outcome?.kind)
    return 'it was finished, and changed its outcome';
  if (now.epoch !== old.epoch || now.owner !== null) return 'it was finished, and got an owner or an epoch';
  return now.fenced_at === old.fenced_at ? null : 'it was finished, and fenced afterwards';
}

const STEPS: Readonly<Record<RunState, readonly RunState[]>> = {
  placed: ['leased', 'finished'],
  leased: ['running', 'placed', 'finished'],
  running: ['finished'],
  finished: [],
};

function states(old: RunColumns, now: RunColumns): string | null {
  if (now.state === old.state || STEPS[old.state].includes(now.state)) return null;
  return `${old.state} → ${now.state} is no step of a run`;
}

/**
 * The epoch is raised by a lease, and by whoever ends or parks a run that nobody drives; by nothing else. Without a raise the
 * owner stays or lets go: nobody else comes in.
 */
function epochs(old: RunColumns, now: RunColumns): string | null {
  const { owner } = now;
  if (now.epoch < old.epoch || now.epoch > old.epoch + 1) return `its epoch goes from ${old.epoch} to ${now.epoch}`;
  if (now.epoch === old.epoch) {
    if (owner !== null && owner !== old.owner)
      return `${owner} became its owner under epoch ${now.epoch}, which was ${old.owner ?? 'nobody'}’s`;
    if (now.state === 'leased' && old.state === 'placed') return 'it was leased under the epoch from before';
    if (now.state === 'finished' && old.state === 'placed') return 'it was judged without ever being leased';
    return now.fenced_at === old.fenced_at ? null : 'it was fenced under the epoch from before';
  }
  const leasedNow =
    owner !== null && (now.state === 'leased' || now.state === 'running') && now.lease_expires_at !== null;
  const ended = owner === null && now.state === 'finished';
  const parked = owner === null && now.parked_at != null && old.parked_at == null && now.state === old.state;
  if (!leasedNow && !ended && !parked) return `its epoch was raised to ${now.epoch} by neither a lease nor a fence`;
  if (leasedNow && old.state === 'leased' && now.state === 'running') return 'a lease moved it from leased to running';
  return null;
}

function progress(old: RunColumns, now: RunColumns): string | null {
  if (now.journal_line < old.journal_line)
    return `its journal is read back from ${old.journal_line} to ${now.journal_line}`;
  return now.log_sequence < old.log_sequence ? 'its log became shorter' : null;
}
