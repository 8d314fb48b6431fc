import type { EffectColumns, RunColumns, TaskColumns } from './trace.js';

/** How many runs may be unfinished at once. */
export interface Limits {
  /** `CAPSTAN_MAX_CONCURRENT`; undefined leaves it unchecked. */
  readonly maxConcurrent?: number;
  /** `maxConcurrentTasks` of repositories, by id. A repository that isn't named is left unchecked. */
  readonly maxConcurrentTasks?: Readonly<Record<string, number>>;
  /** `maxAgentsPerPod`, the same for all pods. */
  readonly maxAgentsPerPod?: number;
}

/** The rows as the trace has left them so far, and what follows from all of them together. */
export class Present {
  readonly task = new Map<string, TaskColumns>();
  readonly run = new Map<string, RunColumns>();
  readonly effect = new Map<string, EffectColumns>();
  /** Unfinished runs, by id: few, whatever the length of the trace. */
  readonly open = new Map<string, RunColumns>();
  readonly fencedPods = new Set<string>();
  readonly effectKeys = new Set<string>();
  readonly runCounts = new Map<string, number>();

  constructor(readonly limits: Limits) {}

  seeRun(run: RunColumns): void {
    this.run.set(run.id, run);
    if (run.state === 'finished') this.open.delete(run.id);
    else this.open.set(run.id, run);
    if (run.fenced_at !== null) this.fencedPods.add(run.pod_id);
    this.runCounts.set(run.task_id, Math.max(run.number, this.runCounts.get(run.task_id) ?? 0));
  }
  seeEffect(effect: EffectColumns): void {
    this.effect.set(effect.id, effect);
    this.effectKeys.add(effect.key);
  }

  openWhere(holds: (run: RunColumns) => boolean): number {
    let count = 0;
    for (const run of this.open.values()) if (holds(run)) count += 1;
    return count;
  }
}
