import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program that Capstan takes from PATH or from its cache, where one of its scripts puts it. */
export interface FetchedBinary {
  /** The project's root. */
  readonly rootDir: string;
  /** Where the machine's programs are, as in `$PATH`. */
  readonly path: string;
  readonly file: string;
  /** Directory in `.cache`. */
  readonly cache: string;
  /** In `scripts`; called with the cache's directory. */
  readonly script: string;
  /** Why this very file can't be used, or undefined when it can. */
  readonly refusalOf: (binary: string) => string | undefined;
}

export function cacheOf({ rootDir, cache }: FetchedBinary): string {
  return join(rootDir, '.cache', cache);
}

export function cachedFile(wanted: FetchedBinary): string {
  return join(cacheOf(wanted), wanted.file);
}

/** The first that can be used of those that are there; else why none of them can. */
export function lookFor(wanted: FetchedBinary): { readonly binary: string } | { readonly refusals: readonly string[] } {
  const onPath = wanted.path.split(delimiter).map((directory) => join(directory, wanted.file));
  const refusals: string[] = [];
  for (const candidate of [...onPath, cachedFile(wanted)]) {
    if (!existsSync(candidate)) continue;
    const refusal = wanted.refusalOf(candidate);
    if (refusal === undefined) return { binary: candidate };
    refusals.push(refusal);
  }
  return { refusals };
}

/** The command that fetches it. */
export function fetchCommand(wanted: FetchedBinary): readonly [program: string, words: readonly string[]] {
  return ['bash', [join(wanted.rootDir, 'scripts', wanted.script), cacheOf(wanted)]];
}

/** What such a command said, in one line. */
export function lastWords(script: string, said: string): string {
  return `scripts/${script}: ${said.trim().split('\n').slice(-3).join('; ')}`;
}
