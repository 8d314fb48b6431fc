import { AIMS } from './aims.js';
import type { BenchName } from './bench.config.js';
import type { Machine } from './machine.js';
import type { BenchReport } from './report.js';

/** A report with the name of its bench. */
export interface NamedReport extends BenchReport {
  readonly name: BenchName;
}

/** Everything that one run, or several put together, have to say; what `--json` prints. */
export interface Results {
  readonly quick: boolean;
  readonly machine: Machine;
  readonly reports: readonly NamedReport[];
}

/**
 * What an earlier run printed with `--json`.
 * @throws TypeError when it is something else, or from a version with other figures.
 */
export function parseResults(text: string, name: string): Results {
  const read = JSON.parse(text) as Partial<Results> | null;
  if (typeof read?.quick !== 'boolean' || typeof read.machine !== 'object' || !Array.isArray(read.reports))
    throw new TypeError(`${name} is not what \`npm run bench -- --json\` prints`);
  const reports: readonly NamedReport[] = read.reports;
  const stranger = reports.flatMap(({ figures }) => figures).find(({ key }) => !Object.hasOwn(AIMS, key));
  if (stranger !== undefined)
    throw new TypeError(`${name} has the figure "${stranger.key}", which is no longer measured`);
  return { quick: read.quick, machine: read.machine, reports };
}

/**
 * Several runs as one: of a bench that is in several the last one counts, and the last one's machine.
 * @throws TypeError for quick and full ones together, or for those of several machines.
 */
export function mergeResults(all: readonly Results[]): Results {
  const last = all.at(-1);
  if (last === undefined) throw new TypeError('there are no results to put together');
  if (all.some(({ quick }) => quick !== last.quick)) throw new TypeError('quick and full results do not go together');
  const machines = new Set(all.map(({ machine: { cpu, cores, kernel } }) => `${cores} × ${cpu}, kernel ${kernel}`));
  if (machines.size > 1) throw new TypeError(`results of several machines: ${[...machines].join('; ')}`);
  const reports = new Map(all.flatMap((results) => results.reports).map((report) => [report.name, report]));
  return { ...last, reports: [...reports.values()] };
}
