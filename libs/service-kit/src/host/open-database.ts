import { Database, LATEST_MIGRATION, checkServerVersion, schemaVersion } from '@capstan/database';
import { TransientError, UserError, type FaultPort } from '@capstan/domain';
import type { BaseConfig } from '../config/base.js';
import { traceparentOrNew } from '../telemetry/tracing.js';

/**
 * Opens the pool and checks what is behind it.
 * @throws TransientError while Postgres isn't there; UserError `postgres_too_old`, `postgres_refused`.
 */
export async function openDatabase(config: BaseConfig, faults: FaultPort): Promise<Database> {
  let database: Database;
  try {
    database = await Database.open({
      url: config.CAPSTAN_DATABASE_URL,
      poolSize: config.CAPSTAN_DATABASE_POOL_SIZE,
      prepared: config.CAPSTAN_DATABASE_PREPARED,
      statementTimeoutMs: config.CAPSTAN_DATABASE_TIMEOUT_MS,
      traceparent: traceparentOrNew,
      faults,
    });
  } catch (error) {
    throw refusal(error);
  }
  try {
    const [row] = await database.query<{ serverVersionNum: string }>('show server_version_num');
    checkServerVersion(Number(row?.serverVersionNum ?? 0));
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Waits for `capstan migrate`: a schema that is newer than this build's is fine, an older one isn't. */
export async function requireSchema(database: Database): Promise<void> {
  const found = await schemaVersion(database);
  if (found !== null && found >= LATEST_MIGRATION) return;
  throw new TransientError(
    `the database is ${found === null ? 'empty' : `at ${found}`}, this build needs ${LATEST_MIGRATION}`,
    { code: 'schema_too_old' },
  );
}

/** A wrong password or database never cures itself. */
function refusal(error: unknown): unknown {
  const { code, driverError } = error as { code?: unknown; driverError?: { code?: unknown } };
  const state = String(code ?? driverError?.code ?? '');
  const reasons: Readonly<Record<string, string>> = {
    '28P01': 'Postgres refused the password',
    '28000': 'Postgres refused the role',
    '3D000': 'the database does not exist',
  };
  const reason = reasons[state];
  if (reason === undefined) return error;
  return new UserError(reason, {
    code: 'postgres_refused',
    field: 'CAPSTAN_DATABASE_URL',
    cause: error,
  });
}
