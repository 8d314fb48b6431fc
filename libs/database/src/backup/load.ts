import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { UserError } from '@capstan/domain';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { classifyDatabaseError } from '../errors.js';
import { MIGRATION_LOCK, applyMigration, checkServerVersion, migrationTable } from '../migrate.js';
import { MIGRATIONS } from '../migrations/index.js';
import { Measure, quoted, type CopiedDatabase, type CopiedTable } from './copied-table.js';

export interface LoadOptions {
  /** The lines of a table. */
  readonly open: (table: string) => Readable;
  /** Asked before anything is committed; what it throws undoes everything. */
  readonly verify?: (client: pg.Client) => Promise<void>;
}

/** SQLSTATE classes of what is wrong with rows: their form, a constraint, a column that isn't there. */
const DATA_FAULT = /^(22|23|42)/;

/**
 * Fills an empty database with a copy, under the schema that the copy was taken with: in one transaction, so that it is
 * either all there or as empty as before. Newer migrations are for `migrate`, afterwards.
 * @throws UserError `backup_newer` when this build doesn't know the schema, `restore_not_empty` when the database has
 * tables, `backup_damaged` when the copy isn't what it says of itself.
 */
export async function loadDatabase(url: string, copy: CopiedDatabase, options: LoadOptions): Promise<void> {
  checkKnownSchema(copy.migrations);
  const client = new pg.Client({ connectionString: url, application_name: 'capstan restore' });
  client.on('error', () => undefined); // the statement under way tells it
  try {
    await client.connect();
    const version = await client.query<{ server_version_num: string }>('show server_version_num');
    checkServerVersion(Number(version.rows[0]!.server_version_num));
    await client.query('begin');
    await client.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await refuseTables(client);
    await migrationTable(client);
    for (const migration of MIGRATIONS.slice(0, copy.migrations.length)) await applyMigration(client, migration);
    await fill(client, copy, options);
    await options.verify?.(client);
    await client.query('commit');
    await client.query('analyze');
  } catch (error) {
    throw classifyDatabaseError(error);
  } finally {
    await client.end().catch(() => undefined); // an open transaction ends with it, undone
  }
}

/** Whether this build knows the schema of a copy. @throws UserError `backup_newer` */
export function checkKnownSchema(migrations: readonly string[]): void {
  const unknown = migrations.find((name, index) => MIGRATIONS[index]?.name !== name);
  if (unknown === undefined && migrations.length > 0) return;
  throw new UserError(
    `The backup's schema is ${migrations.at(-1) ?? 'none'}, and this Capstan knows ${MIGRATIONS.at(-1)!.name}`,
    { code: 'backup_newer' },
  );
}

async function refuseTables(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = current_schema()::regnamespace and relkind in ('r','p','v','m') limit 1`,
  );
  if (rows[0] === undefined) return;
  throw new UserError(`The database is not empty: it has a table ${rows[0].name}`, {
    code: 'restore_not_empty',
    field: 'CAPSTAN_DATABASE_URL',
    remedy: 'Make an empty database and name it in CAPSTAN_DATABASE_URL.',
  });
}

async function fill(client: pg.Client, copy: CopiedDatabase, { open }: LoadOptions): Promise<void> {
  const known = await client.query<{ name: string; forced: boolean }>(
    `select relname as name, relforcerowsecurity as forced from pg_class
      where relnamespace = current_schema()::regnamespace and relkind = 'r'`,
  );
  const forced = new Map(known.rows.map(({ name, forced }) => [name, forced]));
  const strange = copy.tables.find(({ name }) => !forced.has(name));
  if (strange !== undefined || copy.tables.length !== forced.size)
    throw damaged(`its tables are not those of the schema ${copy.migrations.at(-1)}`);
  // What the migrations themselves have put there comes with the copy.
  await client.query(`truncate ${[...forced.keys()].map(quoted).join(', ')}`);
  for (const table of copy.tables) {
    // Postgres takes no COPY where row-level security binds; the owner is bound again before anybody sees the row.
    const bound = forced.get(table.name) === true;
    if (bound) await client.query(`alter table ${quoted(table.name)} no force row level security`);
    await copyIn(client, table, open(table.name));
    if (bound) await client.query(`alter table ${quoted(table.name)} force row level security`);
  }
}

async function copyIn(client: pg.Client, table: CopiedTable, lines: Readable): Promise<void> {
  const measure = new Measure();
  const into = client.query(
    copyFrom(`copy ${quoted(table.name)} (${table.columns.map(quoted).join(', ')}) from stdin`),
  );
  try {
    await pipeline(lines, measure, into);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || !DATA_FAULT.test(error.code ?? '')) throw error;
    throw damaged(`Postgres refuses the rows of ${table.name}: ${error.message}`, error);
  }
  if (measure.sha256() !== table.sha256) throw damaged(`the rows of ${table.name} are not those that were saved`);
  if (into.rowCount !== table.rows) throw damaged(`${table.name} has ${into.rowCount} rows instead of ${table.rows}`);
}

function damaged(reason: string, cause?: unknown): UserError {
  return new UserError(`The backup is damaged: ${reason}`, { code: 'backup_damaged', cause });
}
