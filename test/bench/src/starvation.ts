import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpus, loadavg } from 'node:os';
import { sleep } from './clock.js';
import type { RunnerHosts } from './runner-hosts.js';
import type { Stage } from './stage.js';

/** Busy loops for each core: each of Capstan's processes gets a fifth of one at best. */
const HOGS_PER_CORE = 4;
/** It ends with this process, however that ends. */
const HOG = 'const parent = process.ppid; while (process.ppid === parent);';

export interface Starved {
  readonly minutes: number;
  readonly cores: number;
  readonly hogs: number;
  readonly load1: number;
  /** Epochs that rose although both runners were alive all the time. */
  readonly falseTakeovers: number;
  readonly faults: readonly string[];
}

/** Starves every core for so many minutes with both runners alive, and counts what changes hands. */
export async function starve(
  stage: Stage,
  hosts: RunnerHosts,
  taskIds: readonly string[],
  minutes: number,
): Promise<Starved> {
  await hosts.untilSettled();
  const cores = cpus().length;
  const hogs = Array.from({ length: cores * HOGS_PER_CORE }, () =>
    spawn(process.execPath, ['-e', HOG], { stdio: 'ignore' }),
  );
  const alive = hosts.all.length;
  const faults: string[] = [];
  try {
    const before = await epochs(stage, taskIds);
    await sleep(minutes * 60_000);
    const load1 = loadavg()[0] ?? 0;
    const after = await epochs(stage, taskIds);
    const dead = hosts.all.filter(({ process }) => !isAlive(process.pid)).length;
    if (dead > 0) faults.push(`starved: ${dead} of ${alive} runners ended`);
    if (after.size !== before.size) faults.push(`starved: ${before.size - after.size} runs ended`);
    let falseTakeovers = 0;
    for (const [id, epoch] of after) falseTakeovers += epoch - (before.get(id) ?? epoch);
    return { minutes, cores, hogs: hogs.length, load1, falseTakeovers, faults };
  } finally {
    await Promise.all(hogs.map(end));
  }
}

async function epochs(stage: Stage, taskIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const rows = await stage.query<{ id: string; epoch: number }>(
    `select id, epoch from run where task_id = any($1) and state <> 'finished'`,
    [taskIds],
  );
  return new Map(rows.map(({ id, epoch }) => [id, epoch]));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // no such process
  }
}

async function end(hog: ChildProcess): Promise<void> {
  if (hog.exitCode !== null || hog.signalCode !== null) return;
  const ended = once(hog, 'exit');
  hog.kill('SIGKILL');
  await ended;
}
