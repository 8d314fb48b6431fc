import { lstat, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Id } from '@capstan/domain';
import type { Database } from '@capstan/database';
import type { MirrorSight } from './tidy-mirrors.decide.js';

/** In a mirror: how many bytes it had first. */
export const FIRST_SIZE_FILE = 'capstan-first-size';
const NAME = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.git$/;

export interface MirrorsSight {
  readonly mirrors: readonly MirrorSight[];
  /** Directories that were set aside to be deleted, and were not yet. */
  readonly setAside: readonly string[];
}

/** Looks at every mirror of this replica. */
export async function readMirrors(database: Database, directory: string): Promise<MirrorsSight> {
  const names = await namesIn(directory);
  const ids = names.flatMap((name) => NAME.exec(name)?.[1] ?? []);
  if (ids.length === 0) return { mirrors: [], setAside: names.filter((name) => name.includes('.git.old-')) };
  const needs = await database.query<{ id: Id; wanted: boolean; publishing: boolean }>(
    `select x.id, exists (select from repository r where r.id = x.id and r.archived_at is null) as wanted,
            exists (select from pull_request p join task t on t.id = p.task_id
                     where p.repository_id = x.id and p.state in ('publishing','refused')
                       and t.state not in ('completed','failed','cancelled')) as publishing
       from unnest($1::uuid[]) as x(id)`,
    [ids],
  );
  const mirrors = await Promise.all(
    needs.map(async ({ id, wanted, publishing }) => {
      const path = join(directory, `${id}.git`);
      const filled =
        (await namesIn(join(path, 'refs/remotes/origin'))).length > 0 || (await isThere(path, 'packed-refs'));
      const first = Number(await readFile(join(path, FIRST_SIZE_FILE), 'utf8').catch(() => ''));
      return {
        repositoryId: id,
        bytes: await bytesIn(path),
        firstBytes: Number.isSafeInteger(first) && first > 0 ? first : null,
        filled,
        wanted,
        publishing,
      };
    }),
  );
  return { mirrors, setAside: names.filter((name) => name.includes('.git.old-')) };
}

/** Bytes of all files below a directory; what vanishes meanwhile counts nothing. */
export async function bytesIn(directory: string): Promise<number> {
  let bytes = 0;
  const open = [directory];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const path = at;
    for (const entry of await readdir(path, { withFileTypes: true }).catch(() => [])) {
      if (entry.isDirectory()) open.push(join(path, entry.name));
      else bytes += (await lstat(join(path, entry.name)).catch(() => ({ size: 0 }))).size;
    }
  }
  return bytes;
}

async function isThere(directory: string, name: string): Promise<boolean> {
  return (await namesIn(directory)).includes(name);
}

/** Empty where there is no such directory. */
async function namesIn(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}
