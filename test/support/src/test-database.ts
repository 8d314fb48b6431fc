import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { serverSetting } from './servers.config.js';

/** One lock for everybody who makes templates on a server. */
const TEMPLATE_LOCK = 4_400_001;

export interface TestDatabase {
  /** Its role owns the database and is no superuser, as in production: row-level security binds it. */
  readonly url: string;
  /** Drops the database, whoever is still connected. */
  close(): Promise<void>;
}

/**
 * A database of its own for a spec file, cloned in about 30 ms from a template that `migrate` made once per run.
 * Without `migrate` it is empty.
 * @param options.migrate brings the database at the given URL to the present schema; closes all its connections.
 */
export async function testDatabase(
  options: { readonly migrate?: (url: string) => Promise<unknown> } = {},
): Promise<TestDatabase> {
  const server = serverSetting('CAPSTAN_TEST_DATABASE_URL');
  const name = `spec_${randomBytes(6).toString('hex')}`;
  const { migrate } = options;
  await withClient(server, async (client) => {
    if (migrate === undefined) await client.query(`CREATE DATABASE ${name}`);
    else await cloneTemplate(client, await template(client, server, migrate), name);
  });
  return {
    url: urlOf(server, name),
    close: () =>
      withClient(server, (client) =>
        unlessVacuumed(() => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
      ),
  };
}

/** Runs one statement in a connection of its own, e.g. to end somebody's connections. */
export async function onDatabase<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined); // ended from outside, which some specs do on purpose
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function withClient(server: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  await onDatabase(server, work);
}

async function template(
  client: pg.Client,
  server: string,
  migrate: (url: string) => Promise<unknown>,
): Promise<string> {
  const name = `template_${schemaHash(migrate)}`;
  await client.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  try {
    const known = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (known.rowCount !== 0) return name;
    const making = `${name}_making`;
    await unlessVacuumed(() => client.query(`DROP DATABASE IF EXISTS ${making} WITH (FORCE)`));
    await client.query(`CREATE DATABASE ${making}`);
    await migrate(urlOf(server, making));
    await unlessVacuumed(() => client.query(`ALTER DATABASE ${making} RENAME TO ${name}`));
    return name;
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
  }
}

async function cloneTemplate(client: pg.Client, from: string, name: string): Promise<void> {
  await unlessVacuumed(() => client.query(`CREATE DATABASE ${name} TEMPLATE ${from}`));
}

/** Autovacuum may be at a database that nobody may be connected to (55006), and may not be sent away (42501): it soon goes. */
async function unlessVacuumed(work: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await work();
      return;
    } catch (error) {
      const { code } = error as { readonly code?: unknown };
      if ((code !== '55006' && code !== '42501') || attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Changes with the migrations, so that a server that outlives a run never hands out an old schema. */
function schemaHash(migrate: (url: string) => Promise<unknown>): string {
  const hash = createHash('sha256').update(migrate.toString());
  const directory = join(import.meta.dirname, '../../../libs/database/src');
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  for (const file of files.sort()) hash.update(file).update(readFileSync(join(directory, file)));
  return hash.digest('hex').slice(0, 16);
}

function urlOf(server: string, database: string): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  return url.href;
}
