import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Bug } from '@capstan/domain';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { classifyDatabaseError } from '../errors.js';
import { Measure, quoted, type CopiedDatabase, type CopiedTable } from './copied-table.js';

/**
 * Copies the whole database as it is at one moment: every table under one repeatable-read snapshot, while others go on
 * writing. It locks nothing that work needs, only changes of the schema wait for it.
 * @param open where the lines of a table go; called once per table, in order.
 * @throws TransientError when the server goes away meanwhile.
 */
export async function dumpDatabase(url: string, open: (table: string) => Writable): Promise<CopiedDatabase> {
  const client = new pg.Client({ connectionString: url, application_name: 'capstan backup' });
  client.on('error', () => undefined); // the statement under way tells it
  try {
    await client.connect();
    await client.query('begin isolation level repeatable read read only');
    const version = await client.query<{ server_version_num: string }>('show server_version_num');
    const migrations = await client.query<{ name: string }>('select name from migration order by name');
    const tables: CopiedTable[] = [];
    for (const { name, columns } of await tablesInOrder(client))
      tables.push(await copyOut(client, name, columns, open(name)));
    await client.query('commit');
    return {
      migrations: migrations.rows.map(({ name }) => name),
      serverVersion: Number(version.rows[0]!.server_version_num),
      tables,
    };
  } catch (error) {
    throw classifyDatabaseError(error);
  } finally {
    await client.end().catch(() => undefined); // the error that broke it is thrown already
  }
}

async function copyOut(
  client: pg.Client,
  name: string,
  columns: readonly string[],
  to: Writable,
): Promise<CopiedTable> {
  const lines = client.query(copyTo(`copy ${quoted(name)} (${columns.map(quoted).join(', ')}) to stdout`));
  const measure = new Measure();
  await pipeline(lines, measure, to);
  return { name, columns, rows: lines.rowCount, bytes: measure.bytes, sha256: measure.sha256() };
}

interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  readonly refersTo: readonly string[];
}

/** All tables, each behind those that it refers to. */
async function tablesInOrder(client: pg.Client): Promise<readonly Table[]> {
  const { rows } = await client.query<Table>(
    `select c.relname as name,
            (select json_agg(a.attname order by a.attnum) from pg_attribute a
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
            coalesce((select json_agg(distinct f.relname) from pg_constraint k join pg_class f on f.oid = k.confrelid
              where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid), '[]') as "refersTo"
       from pg_class c
      where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' order by c.relname`,
  );
  const left = new Map(rows.map((table) => [table.name, table]));
  const ordered: Table[] = [];
  while (left.size > 0) {
    const ready = [...left.values()].filter(({ refersTo }) => !refersTo.some((name) => left.has(name)));
    if (ready.length === 0) throw new Bug(`the tables ${[...left.keys()].join(', ')} refer to one another in a circle`);
    for (const table of ready) left.delete(table.name);
    ordered.push(...ready);
  }
  return ordered;
}
