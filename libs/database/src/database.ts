import { randomBytes } from 'node:crypto';
import {
  DataSource,
  type EntityManager,
  type EntityTarget,
  type ObjectLiteral,
  type QueryDeepPartialEntity,
} from 'typeorm';
import { uuidv7, type Id } from '@capstan/domain';
import type { EventDefinition } from '@capstan/events';
import { ENTITIES, type Outbox } from './entities/index.js';
import { classifyDatabaseError } from './errors.js';
import { SnakeNaming } from './naming.js';
import { camelRow } from './row.js';

/** A new UUIDv7. */
export function newId(): Id {
  return uuidv7(Date.now(), randomBytes(10));
}

export interface DatabaseOptions {
  readonly url: string;
  /** Connections of this process's pool. */
  readonly poolSize?: number;
  readonly applicationName?: string;
  /** `traceparent` of what is going on right now, for outbox rows. */
  readonly traceparent?: () => string | null;
}

/** What a transaction's work is done with. */
export interface Tx {
  readonly manager: EntityManager;
  /** Rows with camelCase keys; for insert, update and delete those of `returning`. */
  query<Row = Record<string, unknown>>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
  insert<Entity extends ObjectLiteral>(
    entity: EntityTarget<Entity>,
    row: QueryDeepPartialEntity<Entity> | QueryDeepPartialEntity<Entity>[],
  ): Promise<void>;
  /** Puts an event into the outbox: it is published after the commit, or never. */
  emit<Payload>(event: EventDefinition<string, Payload>, payload: Payload): Promise<void>;
}

/** An outbox row as the relay needs it. */
export type OutboxRow = Pick<Outbox, 'id' | 'event' | 'subject' | 'payload' | 'traceparent' | 'createdAt'>;

/**
 * The one pool of a process. Every error that may pass (connection lost, server stopping, too many clients,
 * serialization) is thrown as TransientError `database_unavailable`.
 */
export class Database {
  private readonly committed = new Set<(rows: readonly OutboxRow[]) => void>();

  private constructor(
    readonly dataSource: DataSource,
    private readonly traceparent: () => string | null,
  ) {}

  static async open(options: DatabaseOptions): Promise<Database> {
    const dataSource = new DataSource({
      type: 'postgres',
      url: options.url,
      applicationName: options.applicationName ?? 'capstan',
      poolSize: options.poolSize ?? 20,
      entities: ENTITIES,
      namingStrategy: new SnakeNaming(),
      synchronize: false,
      migrationsRun: false,
      installExtensions: false,
      connectTimeoutMS: 5_000,
      extra: { keepAlive: true, idleTimeoutMillis: 30_000 },
      // A lost idle connection is replaced by the pool at the next query; without a handler it would end the process.
      poolErrorHandler: () => undefined,
    });
    await guarded(() => dataSource.initialize());
    return new Database(dataSource, options.traceparent ?? (() => null));
  }

  async close(): Promise<void> {
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  /** One statement outside a transaction. */
  async query<Row = Record<string, unknown>>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return guarded(async () => rowsOf<Row>(await this.dataSource.query(sql, [...parameters])));
  }

  /**
   * Runs `work` in one transaction and wakes the relay with what it emitted.
   * @param options.workspaceId binds every tenant table to this workspace for the transaction.
   */
  async transaction<T>(work: (tx: Tx) => Promise<T>, options: { readonly workspaceId?: Id } = {}): Promise<T> {
    const emitted: OutboxRow[] = [];
    const result = await guarded(() =>
      this.dataSource.transaction(async (manager) => {
        if (options.workspaceId !== undefined)
          await manager.query(`select set_config('capstan.workspace', $1, true)`, [options.workspaceId]);
        return work(transactionOn(manager, emitted, this.traceparent));
      }),
    );
    if (emitted.length > 0) for (const listener of this.committed) listener(emitted);
    return result;
  }

  /** Calls back after each commit that emitted events. The callback must not throw. */
  onCommitted(listener: (rows: readonly OutboxRow[]) => void): () => void {
    this.committed.add(listener);
    return () => this.committed.delete(listener);
  }
}

/**
 * What is told about a task continues the task's trace, whichever loop or other task's event found the work: the span
 * that is going on stands when it is a recorded one of that trace.
 */
const INSERT_OUTBOX = `
  insert into outbox (id, event, subject, payload, traceparent)
  select $1::uuid, $2, $3, $4::jsonb,
         case when $5::text like left(t.traceparent, 35) || '%-01' then $5::text else coalesce(t.traceparent, $5::text) end
    from (select 1) one left join task t on t.id = $6::uuid
  returning traceparent`;

function transactionOn(manager: EntityManager, emitted: OutboxRow[], traceparent: () => string | null): Tx {
  return {
    manager,
    async query<Row>(sql: string, parameters: readonly unknown[] = []) {
      return rowsOf<Row>(await manager.query(sql, [...parameters]));
    },
    async insert(entity, row) {
      await manager.insert(entity, row);
    },
    async emit(event, payload) {
      const row: OutboxRow = {
        id: newId(),
        event: event.name,
        subject: event.subject(payload),
        payload: payload as Record<string, unknown>,
        traceparent: traceparent(),
        createdAt: new Date(),
      };
      const { taskId = null } = payload as { readonly taskId?: Id | null };
      const inserted: unknown = await manager.query(INSERT_OUTBOX, [
        row.id,
        row.event,
        row.subject,
        row.payload,
        row.traceparent,
        taskId,
      ]);
      emitted.push({ ...row, traceparent: (inserted as { traceparent: string | null }[])[0]!.traceparent });
    },
  };
}

/** TypeORM answers `[rows, count]` for update and delete, and plain rows else. */
function rowsOf<Row>(result: unknown): Row[] {
  const rows =
    Array.isArray(result) && result.length === 2 && Array.isArray(result[0]) && typeof result[1] === 'number'
      ? result[0]
      : result;
  return (Array.isArray(rows) ? rows : []).map((row) => camelRow<Row>(row as Record<string, unknown>));
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw classifyDatabaseError(error);
  }
}
