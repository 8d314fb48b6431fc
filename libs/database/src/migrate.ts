import pg from 'pg';
import { UserError } from '@capstan/domain';
import { MIGRATIONS } from './migrations/index.js';
import type { Migration } from './migrations/migration.js';

/** Key of the advisory lock that lets one migration run at a time. */
export const MIGRATION_LOCK = 7_283_001;
/** Oldest server: `unique nulls not distinct` came with 15. */
export const MIN_POSTGRES_MAJOR = 15;

/** Refuses a server that is too old, as UserError `postgres_too_old`. */
export function checkServerVersion(versionNumber: number): void {
  const major = Math.floor(versionNumber / 10_000);
  if (major >= MIN_POSTGRES_MAJOR) return;
  throw new UserError(`Postgres ${major} is too old: ${MIN_POSTGRES_MAJOR} or newer is needed`, {
    code: 'postgres_too_old',
    field: 'CAPSTAN_DATABASE_URL',
    remedy: `Point CAPSTAN_DATABASE_URL at Postgres ${MIN_POSTGRES_MAJOR} or newer, or leave it unset to use the bundled one.`,
  });
}

/**
 * Brings a database to the newest schema. Safe to call from several processes at once.
 * @returns names of the migrations that were applied now, oldest first.
 */
export async function migrate(databaseUrl: string): Promise<{ readonly applied: readonly string[] }> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const version = await client.query<{ server_version_num: string }>('show server_version_num');
    checkServerVersion(Number(version.rows[0]!.server_version_num));
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await migrationTable(client);
    const known = await client.query<{ name: string }>('select name from migration');
    const done = new Set(known.rows.map(({ name }) => name));
    const applied: string[] = [];
    for (const migration of MIGRATIONS.filter(({ name }) => !done.has(name))) {
      await client.query('begin');
      try {
        await applyMigration(client, migration);
        await client.query('commit');
      } catch (error) {
        await client.query('rollback');
        throw error;
      }
      applied.push(migration.name);
    }
    return { applied };
  } finally {
    await client.end();
  }
}

/** Where it is written which migrations a database has. */
export async function migrationTable(client: pg.Client): Promise<void> {
  await client.query(
    'create table if not exists migration (name text primary key, applied_at timestamptz not null default now())',
  );
}

/** One migration, in the caller's transaction. */
export async function applyMigration(client: pg.Client, migration: Migration): Promise<void> {
  for (const statement of migration.statements()) await client.query(statement);
  await client.query('insert into migration (name) values ($1)', [migration.name]);
}
