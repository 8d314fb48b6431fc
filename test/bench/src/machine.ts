import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { round } from './report.js';
import { spread, type Spread } from './statistics.js';

/** The machine that figures were made on, without which they mean nothing. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly load1: number;
  /** Writing 8 KB and waiting until the disk has it, ms. */
  readonly fsyncMs: Spread;
  readonly versions: Readonly<Record<string, string>>;
}

export function describeMachine(directory: string, versions: Readonly<Record<string, string>>): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    load1: round(loadavg()[0] ?? 0),
    fsyncMs: measureFsync(directory),
    versions: { node: process.versions.node, ...versions },
  };
}

function measureFsync(directory: string): Spread {
  const file = join(directory, 'fsync.tmp');
  const handle = openSync(file, 'w');
  const page = Buffer.alloc(8_192, 1);
  try {
    return spread(
      Array.from({ length: 200 }, () => {
        const begun = performance.now();
        writeSync(handle, page);
        fdatasyncSync(handle);
        return performance.now() - begun;
      }),
    );
  } finally {
    closeSync(handle);
    rmSync(file);
  }
}

export function renderMachine({ cpu, cores, memoryGb, kernel, load1, fsyncMs, versions }: Machine): string {
  const known = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${cores} cores (${cpu}), ${memoryGb} GB, kernel ${kernel}, load ${load1} before the start`,
    `fsync of 8 KB: p50 ${fsyncMs.p50.toFixed(2)} ms, p95 ${fsyncMs.p95.toFixed(2)} ms; ${known.join(', ')}`,
  ].join('\n');
}
