import pg from 'pg';
import { DataSource } from 'typeorm';
import { Bug, noFaults, type FaultPort, type FaultStep, type Id } from '@capstan/domain';
import { ENTITIES } from './entities/index.js';
import { classifyDatabaseError, isDatabaseOutage, isUnanswered } from './errors.js';
import { SnakeNaming } from './naming.js';
import { plainStatement, preparedStatements, type Statements } from './statements.js';
import { Transaction, rowsOf, type OutboxRow, type Tx } from './transaction.js';

export { newId } from './new-id.js';
export type { NewRow, NewTaskEvent, OutboxRow, Tx } from './transaction.js';

/** A statement, and before it a free connection, is waited for this long: an outage is then told, not waited out. ms */
const STATEMENT_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;

export interface DatabaseOptions {
  readonly url: string;
  /** Connections of this process's pool. */
  readonly poolSize?: number;
  readonly applicationName?: string;
  /** `traceparent` of what is going on right now, for outbox rows. */
  readonly traceparent?: () => string | null;
  /** Whether statements are prepared, once per connection. A transaction pooler must know of that. Default false. */
  readonly prepared?: boolean;
  /** How long a statement may take. Default 10 s. ms */
  readonly statementTimeoutMs?: number;
  /** Passed before and after each {@link Database.commit} that emitted something. */
  readonly faults?: FaultPort;
}

export interface TransactionOptions {
  /** Binds every tenant table to this workspace for the transaction. */
  readonly workspaceId?: Id;
}

/**
 * A connection that is lost in somebody's hands, between two statements, is told to them by the next one. From its
 * making on: the pool's own first one is made before anybody could listen to it, and would end the process.
 */
class WatchedClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

/**
 * The one pool of a process. Every error that may pass (connection lost, no answer in time, server stopping, too many
 * clients, serialization) is thrown as TransientError `database_unavailable`.
 */
export class Database {
  private readonly committed = new Set<(rows: readonly OutboxRow[]) => void>();

  private constructor(
    readonly dataSource: DataSource,
    private readonly pool: pg.Pool,
    private readonly statement: Statements,
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
      connectTimeoutMS: CONNECT_TIMEOUT_MS,
      extra: {
        Client: WatchedClient,
        keepAlive: true,
        idleTimeoutMillis: 30_000,
        query_timeout: options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
      },
      // A lost idle connection is replaced by the pool at the next query; without a handler it would end the process.
      poolErrorHandler: () => undefined,
    });
    await guarded(() => dataSource.initialize());
    const { master } = dataSource.driver as unknown as { readonly master: pg.Pool };
    const statement = options.prepared === true ? preparedStatements() : plainStatement;
    return new Database(dataSource, master, statement, options.traceparent ?? (() => null), options.faults ?? noFaults);
  }

  async close(): Promise<void> {
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  /** One statement outside a transaction. */
  async query<Row = Record<string, unknown>>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return this.withClient(async (client) => rowsOf<Row>(await client.query(this.statement(sql, parameters))));
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
    return this.withClient(async (client) => {
      await client.query(workspaceId === undefined ? 'begin' : `begin; ${bindTo(workspaceId)}`);
      const tx = new Transaction(client, this.dataSource, this.statement, this.traceparent);
      try {
        const result = await work(tx);
        await tx.tell();
        if (step !== null && tx.emitted.length > 0) await this.faults(`${step}.before`);
        const { command } = await client.query('commit');
        // A statement failed, and whoever asked for it took no notice: nothing of the transaction is there.
        if (command !== 'COMMIT') throw new Bug('A transaction went on after one of its statements had failed');
        return { result, emitted: tx.emitted };
      } catch (error) {
        if (!isUnanswered(error)) await client.query('rollback');
        throw error;
      }
    }).then(async ({ result, emitted }) => {
      if (step !== null && emitted.length > 0) await this.faults(`${step}.after`);
      if (emitted.length > 0) for (const listener of this.committed) listener(emitted);
      return result;
    });
  }

  /** A connection that failed, or whose answer is still outstanding, isn't used again. */
  private async withClient<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    let client: pg.PoolClient | undefined;
    let unfit = false;
    try {
      client = await this.pool.connect();
      return await work(client);
    } catch (thrown) {
      const error = classifyDatabaseError(thrown);
      unfit = isDatabaseOutage(error);
      throw error;
    } finally {
      client?.release(unfit);
    }
  }

  /** Calls back after each commit that emitted events. The callback must not throw. */
  onCommitted(listener: (rows: readonly OutboxRow[]) => void): () => void {
    this.committed.add(listener);
    return () => this.committed.delete(listener);
  }
}

/** As a literal: it goes with the `begin`, in one message. */
function bindTo(workspaceId: Id): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(workspaceId))
    throw new Bug('A workspace is named by its id');
  return `select set_config('capstan.workspace', '${workspaceId}', true)`;
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw classifyDatabaseError(error);
  }
}
