import { randomBytes } from 'node:crypto';
import {
  DataSource,
  type EntityManager,
  type EntityTarget,
  type ObjectLiteral,
  type QueryDeepPartialEntity,
} from 'typeorm';
import { noFaults, uuidv7, type FaultPort, type FaultStep, type Id } from '@capstan/domain';
import type { EventDefinition } from '@capstan/events';
import { ENTITIES, type Outbox } from './entities/index.js';
import { classifyDatabaseError } from './errors.js';
import { SnakeNaming } from './naming.js';
import { camelRow } from './row.js';

export interface DatabaseOptions {
  readonly url: string;
  /** Connections of this process's pool. */
  readonly poolSize?: number;
  readonly applicationName?: string;
  /** `traceparent` of what is going on right now, for outbox rows. */
  readonly traceparent?: () => string | null;
  /** Passed before and after each {@link Database.commit} that emitted something. */
  readonly faults?: FaultPort;
}

export interface TransactionOptions {
  /** Binds every tenant table to this workspace for the transaction. */
  readonly workspaceId?: Id;
}

/**
 * The one pool of a process. Every error that may pass (connection lost, server stopping, too many clients,
 * serialization) is thrown as TransientError `database_unavailable`.
 */
export class Database {
  private readonly committed = new Set<(rows: readonly OutboxRow[]) => void>();

  private constructor(
    readonly dataSource: DataSource,
    private readonly traceparent: () => string | null,
    private readonly faults: FaultPort,
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
    return new Database(dataSource, options.traceparent ?? (() => null), options.faults ?? noFaults);
  }

  async close(): Promise<void> {
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  /** One statement outside a transaction. */
  async query<Row = Record<string, unknown>>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return guarded(async () => rowsOf<Row>(await this.dataSource.query(sql, [...parameters])));
  }

  /** Runs `work` in one transaction and wakes the relay with what it emitted. */
  async transaction<T>(work: (tx: Tx) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    return this.run(null, work, options);
  }

  /** A transaction that is a step of the system's work: when it emits something, its commit lies between two fault points. */
  async commit<T>(step: FaultStep, work: (tx: Tx) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    return this.run(step, work, options);
  }

  private async run<T>(
    step: FaultStep | null,
    work: (tx: Tx) => Promise<T>,
    { workspaceId }: TransactionOptions,
  ): Promise<T> {
    const emitted: OutboxRow[] = [];
    const result = await guarded(() =>
      this.dataSource.transaction(async (manager) => {
        if (workspaceId !== undefined)
          await manager.query(`select set_config('capstan.workspace', $1, true)`, [workspaceId]);
        const result = await work(transactionOn(manager, emitted, this.traceparent));
        if (step !== null && emitted.length > 0) await this.faults(`${step}.before`);
        return result;
      }),
    );
    if (step !== null && emitted.length > 0) await this.faults(`${step}.after`);
    if (emitted.length > 0) for (const listener of this.committed) listener(emitted);
    return result;
  }

  /** Calls back after each commit that emitted events. The callback must not throw. */
  onCommitted(listener: (rows: readonly OutboxRow[]) => void): () => void {
    this.committed.add(listener);
    return () => this.committed.delete(listener);
  }
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw classifyDatabaseError(error);
  }
}
