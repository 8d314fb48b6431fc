import type pg from 'pg';
import type { DataSource, EntityTarget, ObjectLiteral, QueryDeepPartialEntity } from 'typeorm';
import { traceIdOf, type Actor, type Id, type TaskState } from '@capstan/domain';
import type { EventDefinition } from '@capstan/events';
import type { Outbox } from './entities/index.js';
import { assignments, insertStatement } from './insert.js';
import { newId } from './new-id.js';
import { camelRow } from './row.js';
import type { Statements } from './statements.js';

/** One line of a task's life. */
export interface NewTaskEvent {
  readonly workspaceId: Id;
  readonly taskId: Id;
  readonly kind: 'created' | 'transition' | 'waiting' | 'request' | 'effect' | 'run' | 'note';
  readonly fromState?: TaskState;
  readonly toState?: TaskState;
  /** One sentence for people. */
  readonly cause: string;
  readonly actor: Actor;
  /** Null takes the task's own. */
  readonly traceparent: string | null;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** A row as `insert` takes it. */
export type NewRow<Entity> = QueryDeepPartialEntity<Entity>;

/** An update: columns by their properties, and what only SQL can say. Parameters of `set` and `where` are `$1` and on. */
export interface Change<Entity> {
  readonly patch: QueryDeepPartialEntity<Entity>;
  readonly set: string;
  readonly where: string;
  readonly parameters: readonly unknown[];
}

/** What a transaction's work is done with. */
export interface Tx {
  /** Rows with camelCase keys; for insert, update and delete those of `returning`. */
  query<Row = Record<string, unknown>>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
  insert<Entity extends ObjectLiteral>(
    entity: EntityTarget<Entity>,
    row: QueryDeepPartialEntity<Entity> | QueryDeepPartialEntity<Entity>[],
  ): Promise<void>;
  /** Answers how many rows were changed. */
  update<Entity extends ObjectLiteral>(entity: EntityTarget<Entity>, change: Change<Entity>): Promise<number>;
  /** Puts an event into the outbox, with the transaction's last statement: it is published after the commit, or never. */
  emit<Payload>(event: EventDefinition<string, Payload>, payload: Payload): Promise<void>;
  /** Appends one line to a task's life, with the transaction's last statement. */
  record(event: NewTaskEvent): Promise<void>;
}

/** An outbox row as the relay needs it. */
export type OutboxRow = Pick<Outbox, 'id' | 'event' | 'subject' | 'payload' | 'traceparent' | 'createdAt'>;

/** The rows of a result, in the code's words. */
export function rowsOf<Row>({ rows }: pg.QueryResult): Row[] {
  return rows.map((row) => camelRow<Row>(row as Record<string, unknown>));
}

/** What one transaction tells others, gathered until its end: told in one statement, however much it is. */
export class Transaction implements Tx {
  private readonly events: NewTaskEvent[] = [];
  private readonly told: (Omit<OutboxRow, 'traceparent'> & {
    readonly taskId: Id | null;
    traceparent: string | null;
  })[] = [];

  constructor(
    private readonly client: pg.ClientBase,
    private readonly entities: DataSource,
    private readonly statement: Statements,
    private readonly traceparent: () => string | null,
  ) {}

  /** What was emitted so far; whole once {@link tell} has been called. */
  get emitted(): readonly OutboxRow[] {
    return this.told;
  }

  async query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return rowsOf<Row>(await this.send(sql, parameters));
  }

  async insert<Entity extends ObjectLiteral>(
    entity: EntityTarget<Entity>,
    row: QueryDeepPartialEntity<Entity> | QueryDeepPartialEntity<Entity>[],
  ): Promise<void> {
    const rows = Array.isArray(row) ? row : [row];
    const { sql, values } = insertStatement(this.entities, entity, rows);
    // Only one row makes a text that comes again.
    await (rows.length === 1 ? this.send(sql, values) : this.client.query(sql, values));
  }

  async update<Entity extends ObjectLiteral>(entity: EntityTarget<Entity>, change: Change<Entity>): Promise<number> {
    const { set, patch, where, parameters } = change;
    const columns = assignments(this.entities, entity, patch, parameters.length + 1);
    const table = this.entities.getMetadata(entity).tableName;
    const { rowCount } = await this.send(
      `update "${table}" set ${[set, columns.sql].filter(Boolean).join(', ')} where ${where}`,
      [...parameters, ...columns.values],
    );
    return rowCount ?? 0;
  }

  async emit<Payload>(event: EventDefinition<string, Payload>, payload: Payload): Promise<void> {
    this.told.push({
      id: newId(),
      event: event.name,
      subject: event.subject(payload),
      payload: payload as Record<string, unknown>,
      traceparent: this.traceparent(),
      createdAt: new Date(),
      taskId: (payload as { readonly taskId?: Id | null }).taskId ?? null,
    });
  }

  async record(event: NewTaskEvent): Promise<void> {
    this.events.push(event);
  }

  private send<Row extends pg.QueryResultRow>(
    sql: string,
    parameters: readonly unknown[],
  ): Promise<pg.QueryResult<Row>> {
    return this.client.query<Row>(this.statement(sql, parameters));
  }

  /** Writes what was emitted and recorded. The last statement before the commit. */
  async tell(): Promise<void> {
    const { told, events } = this;
    if (told.length === 0 && events.length === 0) return;
    const outbox = [
      told.map(({ id }) => id),
      told.map(({ event }) => event),
      told.map(({ subject }) => subject),
      told.map(({ payload }) => JSON.stringify(payload)),
      told.map(({ traceparent }) => traceparent),
      told.map(({ taskId }) => taskId),
    ];
    const history = [
      events.map(() => newId()),
      events.map(({ workspaceId }) => workspaceId),
      events.map(({ taskId }) => taskId),
      events.map(({ kind }) => kind),
      events.map(({ fromState }) => fromState ?? null),
      events.map(({ toState }) => toState ?? null),
      events.map(({ cause }) => cause),
      events.map(({ actor }) => JSON.stringify(actor)),
      events.map(({ traceparent }) => traceIdOf(traceparent)),
      events.map(({ detail }) => (detail === undefined ? null : JSON.stringify(detail))),
    ];
    if (told.length === 0) {
      await this.send(HISTORY_ALONE, history);
      return;
    }
    const inserted =
      events.length === 0
        ? await this.send<Inserted>(INSERT_OUTBOX, outbox)
        : await this.send<Inserted>(HISTORY_AND_OUTBOX, [...outbox, ...history]);
    const traces = new Map(inserted.rows.map(({ id, traceparent }) => [id, traceparent]));
    for (const row of told) row.traceparent = traces.get(row.id) ?? null;
  }
}

interface Inserted {
  readonly id: Id;
  readonly traceparent: string | null;
}

/**
 * What is told about a task continues the task's trace, whichever loop or other task's event found the work: the span
 * that is going on stands when it is a recorded one of that trace.
 */
const INSERT_OUTBOX = `
  insert into outbox (id, event, subject, payload, traceparent)
  select o.id, o.event, o.subject, o.payload,
         case when o.traceparent like left(t.traceparent, 35) || '%-01' then o.traceparent else coalesce(t.traceparent, o.traceparent) end
    from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::uuid[])
         as o(id, event, subject, payload, traceparent, task_id)
    left join task t on t.id = o.task_id
  returning id, traceparent`;

/** A microsecond apart, so that lines of one transaction keep their order. */
const INSERT_HISTORY = (first: number): string => {
  const types = ['uuid', 'uuid', 'uuid', 'text', 'text', 'text', 'text', 'jsonb', 'text', 'jsonb'];
  return `
  insert into task_event (id, workspace_id, task_id, kind, from_state, to_state, cause, actor, trace_id, detail, at)
  select e.id, e.workspace_id, e.task_id, e.kind, e.from_state, e.to_state, e.cause, e.actor,
         coalesce(e.trace_id, substring(t.traceparent from '^[0-9a-f]{2}-([0-9a-f]{32})-')), e.detail,
         clock_timestamp() + e.place * interval '1 us'
    from unnest(${types.map((type, index) => `$${first + index}::${type}[]`).join(', ')}) with ordinality
         as e(id, workspace_id, task_id, kind, from_state, to_state, cause, actor, trace_id, detail, place)
    left join task t on t.id = e.task_id`;
};

const HISTORY_ALONE = INSERT_HISTORY(1);
const HISTORY_AND_OUTBOX = `with history as (${INSERT_HISTORY(7)}) ${INSERT_OUTBOX}`;
