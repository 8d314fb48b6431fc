import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '@capstan/test-support';

/** In the order in which they run: what needs a calm machine comes before what fills the tables. */
export const BENCHES = ['start', 'idle', 'log', 'burst', 'dispatch'] as const;
export type BenchName = (typeof BENCHES)[number];

export interface BenchConfig {
  readonly benches: readonly BenchName[];
  readonly json: boolean;
  readonly help: boolean;
  /** Emptied at the start; on a real disk, since commits are measured. */
  readonly dataDir: string;
}

/** The command line and the environment. Throws TypeError for an option or a bench that doesn't exist. */
export function benchConfig(argv: readonly string[]): BenchConfig {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false, short: 'h' } },
    strict: true,
    allowPositionals: true,
  });
  const unknown = positionals.find((name) => !BENCHES.some((bench) => bench === name));
  if (unknown !== undefined) throw new TypeError(`unsupported bench "${unknown}"; expected ${BENCHES.join(', ')}`);
  return {
    benches: BENCHES.filter((name) => positionals.length === 0 || positionals.includes(name)),
    json: values.json,
    help: values.help,
    dataDir: process.env['CAPSTAN_BENCH_DIR'] ?? join(ROOT, '.data', 'bench'),
  };
}
