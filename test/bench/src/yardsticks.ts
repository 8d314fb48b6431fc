import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { promisify } from 'node:util';
import type pg from 'pg';
import { sleep } from './clock.js';
import { costOf } from './process-cost.js';
import { RawCopy } from './raw-copy.js';
import { spread } from './statistics.js';

/**
 * What the machine itself needs for work of the same sort, done by plain tools: a figure divided by it says the same on
 * a faster machine.
 */

const run = promisify(execFile);

/** A boot of Node, a clone that shares its objects, and its checkout, one after the other. ms */
export async function bareStart(bareRepository: string, directory: string): Promise<number> {
  rmSync(directory, { recursive: true, force: true });
  const begun = performance.now();
  await run(process.execPath, ['-e', '0']);
  await run('git', ['clone', '--quiet', '--shared', '--no-checkout', bareRepository, directory]);
  await run('git', ['-C', directory, 'checkout', '--quiet']);
  const ms = performance.now() - begun;
  rmSync(directory, { recursive: true, force: true });
  return ms;
}

const BOOTS = 20;

/** Processor time of one `node -e 0`, s: the mean of 20, for Linux counts in hundredths. Null where there is no /proc. */
export async function bareBootSeconds(): Promise<number | null> {
  const before = costOf(process.pid);
  for (let index = 0; index < BOOTS; index += 1) await run(process.execPath, ['-e', '0']);
  const after = costOf(process.pid);
  if (before === null || after === null) return null;
  return (after.endedChildrenSeconds - before.endedChildrenSeconds) / BOOTS;
}

/** Resident memory of a Node that does nothing, MB: its PSS would sink with every other Node on the machine. Null where there is no /proc. */
export async function bareNodeMb(): Promise<number | null> {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  try {
    await sleep(500);
    return costOf(child.pid!)?.rssMb ?? null;
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

const COPY_LINES = 20_000;
const COPY_ROUNDS = 3;
/** As many lines as the log is committed in at most. */
const COPY_BATCH = 500;

/** Lines/s of raw COPY into a table like run_log, each 500 a commit: the median of three rounds. */
export async function copyLinesPerSecond(pool: pg.Pool): Promise<number> {
  const client = await pool.connect();
  try {
    await client.query('create table if not exists bench_copy (like run_log including all)');
    const speeds: number[] = [];
    for (let round = 0; round < COPY_ROUNDS; round += 1) {
      await client.query('truncate bench_copy');
      const batches = Array.from({ length: COPY_LINES / COPY_BATCH }, (_, index) => batchOf(index * COPY_BATCH));
      const begun = performance.now();
      for (const batch of batches) await new RawCopy('copy bench_copy from stdin', batch).on(client);
      speeds.push((COPY_LINES * 1_000) / (performance.now() - begun));
    }
    await client.query('drop table bench_copy');
    return spread(speeds).p50;
  } finally {
    client.release();
  }
}

function batchOf(first: number): Buffer {
  const id = '00000000-0000-7000-8000-000000000000';
  const rows = Array.from(
    { length: COPY_BATCH },
    (_, index) =>
      `${id}\t${id}\t${first + index}\t2026-01-01 00:00:00Z\ttext\tline ${first + index} 1700000000.000000\t\\N\n`,
  );
  return Buffer.from(rows.join(''));
}
