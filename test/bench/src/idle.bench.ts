import { sleep } from './clock.js';
import { PEER } from './peer.js';
import { costOf, familyOf, pssMbOf } from './process-cost.js';
import { round, type BenchReport } from './report.js';
import type { Stage } from './stage.js';

const SETTLE_MS = 10_000;
const WINDOW_MS = 30_000;

/** What the whole stack costs while nothing is to be done. */
export async function benchIdle(stage: Stage): Promise<BenchReport> {
  await sleep(SETTLE_MS);
  const before = look(stage);
  await sleep(WINDOW_MS);
  const after = look(stage);
  const rows = after.map((part) => {
    const cpu = part.cpuSeconds - (before.find(({ name }) => name === part.name)?.cpuSeconds ?? 0);
    return { ...part, cpuPercent: (cpu * 100_000) / WINDOW_MS };
  });
  const total = (of: (row: (typeof rows)[number]) => number): number => rows.reduce((sum, row) => sum + of(row), 0);
  const [pss, cpu] = [total(({ pssMb }) => pssMb), total(({ cpuPercent }) => cpuPercent)];
  return {
    bench: 'idle: the whole stack with nothing to do',
    how: [
      `over ${WINDOW_MS / 1000} s, ${SETTLE_MS / 1000} s after what ran before; the forge and the client not counted`,
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
      { name: 'memory (PSS)', value: round(pss), unit: 'MB', better: 'lower', peerBest: PEER.idlePssMb },
      { name: 'processor', value: round(cpu), unit: '% of a core', better: 'lower', peerBest: PEER.idleCpuPercent },
    ],
    faults: pss === 0 ? ['this system has no /proc: nothing was measured'] : [],
  };
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
  const others = new Set(Object.values(roots));
  return Object.entries(roots).map(([name, root]) => {
    const pids = familyOf(root, others);
    const costs = pids.flatMap((pid) => costOf(pid) ?? []);
    return {
      name,
      processes: costs.length,
      rssMb: costs.reduce((sum, { rssMb }) => sum + rssMb, 0),
      pssMb: pids.reduce((sum, pid) => sum + (pssMbOf(pid) ?? 0), 0),
      // A process that ends within the window leaves what it used with its parent.
      cpuSeconds: costs.reduce((sum, cost) => sum + cost.cpuSeconds + cost.endedChildrenSeconds, 0),
    };
  });
}
