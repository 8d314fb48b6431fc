import { changedEffect, newEffect } from './effect-rules.js';
import { Present, type Limits } from './present.js';
import { changedRun, newRun } from './run-rules.js';
import { changedTask, newTask } from './task-rules.js';
import type { TraceStep } from './trace.js';

export interface TraceViolation {
  readonly seq: number;
  /** What the model doesn't allow, for people. */
  readonly what: string;
  readonly step: TraceStep;
  /** The steps of the same task before it, oldest first; at most 20. */
  readonly before: readonly TraceStep[];
}

const KEPT = 20;

/**
 * Holds a recorded trace against the model, step after step: each must be one that the model allows in the world that
 * the steps before have left. Rows that were there before the recording began are taken as they are first seen.
 */
export class Replay {
  private readonly present: Present;
  private readonly history = new Map<string, TraceStep[]>();
  private last = -Infinity;
  steps = 0;

  constructor(limits: Limits = {}) {
    this.present = new Present(limits);
  }

  /** Takes one line of ndjson. Answers what is wrong with it, or null; the replay may go on after either. */
  line(text: string): TraceViolation | null {
    return this.step(JSON.parse(text) as TraceStep);
  }

  step(step: TraceStep): TraceViolation | null {
    const what = this.order(step) ?? this.chain(step) ?? this.rule(step);
    const before = this.history.get(taskOf(step)) ?? [];
    const violation =
      what === null ? null : { seq: step.seq, what: `${step.table} ${step.id}: ${what}`, step, before: [...before] };
    this.keep(step);
    this.history.set(taskOf(step), [...before.slice(1 - KEPT), step]);
    this.last = step.seq;
    this.steps += 1;
    return violation;
  }

  private order({ seq, table }: TraceStep): string | null {
    if (table !== 'task' && table !== 'run' && table !== 'effect') return 'the model knows no such table';
    return seq > this.last ? null : `step ${seq} comes after step ${this.last}`;
  }

  /** What an update began from is what the step before it left: nothing was written beside the recording. */
  private chain(step: TraceStep): string | null {
    const known: object | undefined = this.present[step.table].get(step.id);
    if (step.op === 'insert') return known === undefined ? null : 'it is inserted a second time';
    if (step.old === null) return 'an update without the row from before';
    if (known === undefined) return null;
    const old = step.old as unknown as Readonly<Record<string, unknown>>;
    const before = known as Readonly<Record<string, unknown>>;
    const other = Object.keys(before).find((column) => JSON.stringify(before[column]) !== JSON.stringify(old[column]));
    return other === undefined ? null : `${other} was changed beside the recording`;
  }

  private rule(step: TraceStep): string | null {
    const { at } = step;
    switch (step.table) {
      case 'task':
        if (step.old === null) return newTask(step.new);
        return changedTask({ at, old: step.old, now: step.new }, this.present);
      case 'run':
        return step.old === null ? newRun(step.new, this.present) : changedRun({ at, old: step.old, now: step.new });
      case 'effect':
        if (step.old === null) return newEffect(step.new, this.present);
        return changedEffect({ at, old: step.old, now: step.new });
    }
  }

  private keep(step: TraceStep): void {
    if (step.table === 'task') this.present.task.set(step.id, step.new);
    else if (step.table === 'run') this.present.seeRun(step.new);
    else this.present.seeEffect(step.new);
  }
}

/** Replays a whole trace; answers how long it is and the first step that the model doesn't allow. */
export function replayTrace(
  lines: Iterable<string>,
  limits: Limits = {},
): { readonly steps: number; readonly violation: TraceViolation | null } {
  const replay = new Replay(limits);
  for (const text of lines) {
    if (text.trim() === '') continue;
    const violation = replay.line(text);
    if (violation !== null) return { steps: replay.steps, violation };
  }
  return { steps: replay.steps, violation: null };
}

/** A violation as people read it: what is wrong, and what led there. */
export function tellViolation({ seq, what, step, before }: TraceViolation): string {
  return [`step ${seq}: ${what}`, ...[...before, step].map((each) => `  ${told(each)}`)].join('\n');
}

function told({ seq, at, table, op, id, old, new: now }: TraceStep): string {
  const columns = old === null ? ['state'] : Object.keys(now).filter((column) => !same(old, now, column));
  const changes = columns.map((column) => {
    const to = JSON.stringify((now as unknown as Record<string, unknown>)[column]);
    return old === null
      ? `${column} ${to}`
      : `${column} ${JSON.stringify((old as unknown as Record<string, unknown>)[column])} → ${to}`;
  });
  return `${seq} ${at} ${table} …${id.slice(-8)} ${op}: ${changes.join(', ').slice(0, 500)}`;
}

function same(old: object, now: object, column: string): boolean {
  const value = (row: object): string => JSON.stringify((row as Record<string, unknown>)[column]);
  return value(old) === value(now);
}

function taskOf(step: TraceStep): string {
  const row = step.new as { readonly task_id?: string };
  return row.task_id ?? step.id;
}
