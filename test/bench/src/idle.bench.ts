import type { BenchOptions } from './bench-options.js';
import { sleep } from './clock.js';
import { agentKeepers, costOf, familyOf, pssMbOf } from './process-cost.js';
import type { BenchReport } from './report.js';
import type { Stage } from './stage.js';
import { bareBootSeconds, bareNodeMb } from './yardsticks.js';

const SIZES = {
  full: { settleMs: 10_000, windowMs: 30_000 },
  quick: { settleMs: 3_000, windowMs: 10_000 },
} as const;

/** What the whole stack costs while nothing is to be done. */
export async function benchIdle(stage: Stage, { form }: BenchOptions): Promise<BenchReport> {
  const { settleMs, windowMs } = SIZES[form];
  await sleep(settleMs);
  const rows = await costOver(stage, windowMs);
  const [bootSeconds, nodeMb] = [await bareBootSeconds(), await bareNodeMb()];
  const total = (of: (row: (typeof rows)[number]) => number): number => rows.reduce((sum, row) => sum + of(row), 0);
  const [pss, cpu] = [total(({ pssMb }) => pssMb), total(({ cpuPercent }) => cpuPercent)];
  return {
    bench: 'idle: the whole stack with nothing to do',
    how: [
      `over ${windowMs / 1000} s, ${settleMs / 1000} s after what ran before; the forge and the client not counted`,
      'afterwards, beside it: processor time of `node -e 0`, mean of 20, and memory of a Node that does nothing',
    ],
    tables: [
      {
        title: 'part',
        columns: ['processes', 'RSS MB', 'PSS MB', '% of a core'],
        rows: [
          ...rows.map(({ name, processes, rssMb, pssMb, cpuPercent }) => [
            name,
            processes,
            Math.round(rssMb),
            Math.round(pssMb),
            cpuPercent.toFixed(2),
          ]),
          ['sum', total(({ processes }) => processes), '-', Math.round(pss), cpu.toFixed(2)],
        ],
      },
    ],
    figures: [
      { key: 'idle.memory', value: pss, made: 'at the end of the window' },
      { key: 'idle.processor', value: cpu, made: `over ${windowMs / 1000} s` },
    ],
    ratios:
      bootSeconds === null || nodeMb === null
        ? []
        : [
            { key: 'idle.processor', ours: (cpu / 100) * 60, yardstick: bootSeconds },
            { key: 'idle.memory', ours: pss, yardstick: nodeMb },
          ],
    faults: pss === 0 ? ['this system has no /proc: nothing was measured'] : [],
  };
}

export interface PartOverTime extends Part {
  readonly cpuPercent: number;
}

/** What each part of the stack uses over a time, and what it holds at the end of it. */
export async function costOver(stage: Stage, windowMs: number): Promise<readonly PartOverTime[]> {
  const before = look(stage);
  const begun = performance.now();
  await sleep(windowMs);
  const after = look(stage);
  const passedMs = performance.now() - begun;
  return after.map((part) => {
    const cpu = part.cpuSeconds - (before.find(({ name }) => name === part.name)?.cpuSeconds ?? 0);
    return { ...part, cpuPercent: (cpu * 100_000) / passedMs };
  });
}

interface Part {
  readonly name: string;
  readonly processes: number;
  readonly rssMb: number;
  readonly pssMb: number;
  readonly cpuSeconds: number;
}

function look(stage: Stage): Part[] {
  const roots = stage.processes();
  const others = new Set([...Object.values(roots), ...agentKeepers()]);
  return Object.entries(roots).flatMap(([name, root]) => {
    const pids = familyOf(root, others);
    if (name !== 'host') return [partOf(name, pids)];
    // What the host has started and still talks to: a reader for each agent.
    const readers = partOf("the host's children", pids.slice(1));
    return readers.processes === 0 ? [partOf(name, pids)] : [partOf(name, [root]), readers];
  });
}

function partOf(name: string, pids: readonly number[]): Part {
  const costs = pids.flatMap((pid) => costOf(pid) ?? []);
  return {
    name,
    processes: costs.length,
    rssMb: costs.reduce((sum, { rssMb }) => sum + rssMb, 0),
    pssMb: pids.reduce((sum, pid) => sum + (pssMbOf(pid) ?? 0), 0),
    // A process that ends within the window leaves what it used with its parent.
    cpuSeconds: costs.reduce((sum, cost) => sum + cost.cpuSeconds + cost.endedChildrenSeconds, 0),
  };
}
