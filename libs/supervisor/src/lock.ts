import { readdirSync, mkdirSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { draftName } from './draft-name.js';
import { ifThere, SupervisorFault, systemCode } from './fault.js';
import { identify, isAlive } from './processes.js';
import type { ProcessIdentity } from './processes.js';

/** Longest wait for somebody else's fetch, ms. */
const PATIENCE_MS = 300_000;
const FREE = 'free';

/**
 * Runs `work` while no other process holds the lock `path`. A holder that died holds nothing.
 *
 * A lock is a row of numbered files. Whoever creates the number after the highest has it, and creating is exclusive;
 * the highest file is never removed, only marked free, so a dead holder is passed over without a race.
 */
export async function locked<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  const held = await acquire(path);
  try {
    return await work();
  } finally {
    const draft = `${held}.${draftName()}`;
    writeFileSync(draft, FREE);
    renameSync(draft, held);
  }
}

async function acquire(path: string): Promise<string> {
  mkdirSync(dirname(path), { recursive: true });
  for (const end = performance.now() + PATIENCE_MS; ; await pause(5 + Math.random() * 10)) {
    const highest = numbers(path).at(-1) ?? 0;
    if (highest === 0 || !isHeld(numbered(path, highest))) {
      const mine = numbered(path, highest + 1);
      if (create(mine)) {
        const all = numbers(path);
        if (all.at(-1) === highest + 1) {
          for (const old of all.slice(0, -1)) rmSync(numbered(path, old), { force: true });
          return mine;
        }
        // Others came and went while we looked, and our number had been cleared away.
        rmSync(mine, { force: true });
      }
    }
    if (performance.now() > end) throw new SupervisorFault('locked', `${path} stayed locked for ${PATIENCE_MS} ms`);
  }
}

function numbered(path: string, number: number): string {
  return `${path}.${number}`;
}

function numbers(path: string): number[] {
  const prefix = `${basename(path)}.`;
  const found = readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)));
  return found.sort((a, b) => a - b);
}

function isHeld(file: string): boolean {
  const text = ifThere(() => readFileSync(file, 'utf8'));
  // Gone: somebody is ahead of us, and the next look finds the new highest.
  if (text === undefined) return true;
  return text !== FREE && isAlive(JSON.parse(text) as ProcessIdentity);
}

function create(file: string): boolean {
  const draft = join(dirname(file), `.${draftName()}`);
  writeFileSync(draft, JSON.stringify(identify(process.pid)));
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}
