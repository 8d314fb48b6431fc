import type { EffectState, RunState, TaskIntent, TaskState } from '@capstan/domain';

/** Columns as Postgres writes them; further ones are there and are not looked at. */
export interface TaskColumns {
  readonly id: string;
  readonly state: TaskState;
  readonly intent: TaskIntent | null;
  readonly generation: number;
  readonly current_run_id: string | null;
  readonly run_count: number;
  readonly agent_unconfirmed: boolean;
  readonly version: number;
}

export interface RunColumns {
  readonly id: string;
  readonly task_id: string;
  readonly repository_id: string;
  readonly number: number;
  readonly state: RunState;
  readonly pod_id: string;
  readonly slot: number;
  readonly owner: string | null;
  readonly epoch: number;
  readonly lease_expires_at: string | null;
  readonly fenced_at: string | null;
  readonly launched_at?: string | null;
  readonly parked_at?: string | null;
  readonly outcome: { readonly kind: string } | null;
  readonly journal_line: number;
  readonly log_sequence: number;
  readonly version: number;
}

export interface EffectColumns {
  readonly id: string;
  readonly key: string;
  readonly kind: string;
  readonly state: EffectState;
  readonly claim_epoch: number;
  readonly deadline_at: string | null;
  readonly parked_at: string | null;
}

interface Columns {
  readonly task: TaskColumns;
  readonly run: RunColumns;
  readonly effect: EffectColumns;
}
export type TraceTable = keyof Columns;

/** One change of one row, as a trigger wrote it down in the transaction that made it. */
export type TraceStep<Table extends TraceTable = TraceTable> = {
  [Each in Table]: {
    readonly seq: number;
    /** The database's clock, ISO 8601. */
    readonly at: string;
    readonly table: Each;
    readonly op: 'insert' | 'update';
    readonly id: string;
    readonly old: Columns[Each] | null;
    readonly new: Columns[Each];
  };
}[Table];

/** The update's two sides. */
export interface Change<Table extends TraceTable> {
  readonly at: string;
  readonly old: Columns[Table];
  readonly now: Columns[Table];
}
