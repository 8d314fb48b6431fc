import { readFileSync, readdirSync } from 'node:fs';

/** Linux's unit of processor time, which no architecture that Node runs on changes. */
const TICKS_PER_SECOND = 100;

export interface ProcessCost {
  readonly cpuSeconds: number;
  /** Of children that have ended and were waited for. */
  readonly endedChildrenSeconds: number;
  readonly rssMb: number;
}

/** What a process has used so far, from /proc. Null when it is gone, or where there is no /proc. */
export function costOf(pid: number): ProcessCost | null {
  const stat = read(`/proc/${pid}/stat`);
  const status = read(`/proc/${pid}/status`);
  if (stat === null || status === null) return null;
  // The name, in brackets, may hold anything; fields are counted from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    endedChildrenSeconds: (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND,
    rssMb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024,
  };
}

/** Proportional share of memory, MB; null when it can't be read. */
export function pssMbOf(pid: number): number | null {
  const rollup = read(`/proc/${pid}/smaps_rollup`);
  const pss = rollup === null ? null : /^Pss:\s+(\d+)/m.exec(rollup);
  return pss === null ? null : Number(pss[1]) / 1_024;
}

/** A process and all that descend from it, without `others` and what descends from those. */
export function familyOf(root: number, others: ReadonlySet<number>): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? read(`/proc/${name}/stat`) : null;
    if (stat !== null) parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const family = [root];
  for (const member of family)
    for (const [pid, parent] of parents) if (parent === member && !others.has(pid)) family.push(pid);
  return family;
}

/** What keeps an agent, whoever started it: with the agent it belongs to no part of the stack. */
export function agentKeepers(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && /supervisor\.mjs\0keep\0/.test(read(`/proc/${name}/cmdline`) ?? ''))
    .map(Number);
}

/** Looks at a process every 50 ms. */
export class CostSampler {
  private readonly begun: ProcessCost | null;
  private peakRssMb = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly pid: number) {
    this.begun = costOf(pid);
    this.timer = setInterval(() => this.look(), 50);
  }

  /** What was used since the beginning. Null where there is no /proc. */
  end(): { cpuSeconds: number; rssBeforeMb: number; rssPeakMb: number } | null {
    clearInterval(this.timer);
    const now = this.look();
    if (this.begun === null || now === null) return null;
    return {
      cpuSeconds: now.cpuSeconds - this.begun.cpuSeconds,
      rssBeforeMb: this.begun.rssMb,
      rssPeakMb: this.peakRssMb,
    };
  }

  private look(): ProcessCost | null {
    const now = costOf(this.pid);
    if (now !== null) this.peakRssMb = Math.max(this.peakRssMb, now.rssMb);
    return now;
  }
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null; // it ended, or this system has no /proc
  }
}
