import type { Database } from './database.js';

/** Name of the newest migration that the database has; null before the first. */
export async function schemaVersion(database: Database): Promise<string | null> {
  const [table] = await database.query<{ there: boolean }>(`select to_regclass('migration') is not null as there`);
  if (!table?.there) return null;
  const [row] = await database.query<{ name: string | null }>('select max(name) as name from migration');
  return row?.name ?? null;
}
