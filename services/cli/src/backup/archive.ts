import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { UserError, errorText } from '@capstan/domain';
import { create, extract } from 'tar';
import { damaged, parseManifest, type Manifest } from './manifest.schema.js';

/** Names of an archive's members; nothing else is taken out of one. */
const MANIFEST = 'manifest.json';
const README = 'README.txt';
export const KEYS = 'secrets.json';
const TABLES = 'tables';
const MEMBER = /^(manifest\.json|secrets\.json|tables\/[a-z][a-z_]*\.copy)$/;

/** The lines of a table, in the directory that an archive is made of or taken apart into. */
export function tableFile(directory: string, table: string): string {
  return join(directory, TABLES, `${table}.copy`);
}

/** Makes room for the tables. */
export function prepare(directory: string): void {
  mkdirSync(join(directory, TABLES), { mode: 0o700 });
}

/**
 * Packs a directory into a gzipped tar of mode 0600 that is complete, or not there: it grows under another name and is
 * on the disk before it gets its own.
 */
export async function pack(directory: string, manifest: Manifest, file: string): Promise<{ readonly bytes: number }> {
  const part = `${file}.part`;
  const members = [
    MANIFEST,
    README,
    ...(manifest.keys === null ? [] : [KEYS]),
    ...manifest.tables.map(({ name }) => `${TABLES}/${name}.copy`),
  ];
  closeSync(openSync(part, 'wx', 0o600));
  try {
    await create({ file: part, cwd: directory, gzip: true, portable: true, strict: true }, members);
    const handle = openSync(part, 'r+');
    fsyncSync(handle);
    closeSync(handle);
    refuseExisting(file);
    renameSync(part, file);
  } finally {
    rmSync(part, { force: true });
  }
  return { bytes: statSync(file).size };
}

/** @throws UserError `backup_exists` */
export function refuseExisting(file: string): void {
  if (existsSync(file)) throw new UserError(`${file} is there already`, { code: 'backup_exists', status: 409 });
}

/**
 * Takes an archive apart into an empty directory and holds every member against its checksum.
 * @throws UserError `backup_not_found`, `backup_damaged`, `backup_newer`
 */
export async function unpack(file: string, directory: string): Promise<Manifest> {
  if (!existsSync(file)) throw new UserError(`There is no ${file}`, { code: 'backup_not_found', status: 404 });
  try {
    await extract({
      file,
      cwd: directory,
      strict: true,
      noMtime: true,
      filter: (path, entry) => MEMBER.test(path) && 'type' in entry && entry.type === 'File',
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // What the disk says is no fault of the archive's.
    if (code === 'ENOSPC' || code === 'EACCES' || code === 'EIO') throw error;
    throw damaged(errorText(error), error);
  }
  const manifestFile = join(directory, MANIFEST);
  if (!existsSync(manifestFile)) throw damaged('it has no manifest');
  const manifest = parseManifest(readFileSync(manifestFile, 'utf8'));
  for (const { name, sha256 } of manifest.tables) await check(tableFile(directory, name), `table ${name}`, sha256);
  if (manifest.keys !== null) await check(join(directory, KEYS), 'keys', manifest.keys.sha256);
  return manifest;
}

async function check(file: string, what: string, wanted: string): Promise<void> {
  if (!existsSync(file)) throw damaged(`its ${what} is missing`);
  if ((await sha256Of(file)) !== wanted) throw damaged(`its ${what} is not what was saved`);
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
