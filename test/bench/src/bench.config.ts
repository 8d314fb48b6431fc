import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '@capstan/test-support';

/** In the order in which they run: what needs a calm machine comes before what fills the tables. */
export const BENCHES = [
  'start',
  'boundary',
  'idle',
  'log',
  'burst',
  'dispatch',
  'reaction',
  'egress',
  'takeover',
  'scale',
] as const;
export type BenchName = (typeof BENCHES)[number];

/** Left out of the quick form: its ratios would be those of `start` once more. */
const NOT_QUICK: readonly BenchName[] = ['burst'];

export interface BenchConfig {
  readonly benches: readonly BenchName[];
  /** Files of earlier `--json` runs, in place of a run; of a bench that is in several the last one counts. */
  readonly from: readonly string[];
  /** Fewer rounds of smaller things, within three minutes; aims aren't judged. */
  readonly quick: boolean;
  /** How long `takeover` starves the processor, minutes. */
  readonly starveMinutes: number;
  readonly json: boolean;
  /** Compare ratios with those of the regression file. */
  readonly check: boolean;
  /** Write ratios into the regression file. */
  readonly update: boolean;
  /** Write the figures into README.md. */
  readonly readme: boolean;
  readonly help: boolean;
  /** Emptied at the start; on a real disk, since commits are measured. */
  readonly dataDir: string;
}

const OPTIONS = {
  quick: { type: 'boolean', default: false },
  minutes: { type: 'string' },
  from: { type: 'string', multiple: true },
  json: { type: 'boolean', default: false },
  check: { type: 'boolean', default: false },
  update: { type: 'boolean', default: false },
  readme: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false, short: 'h' },
} as const;

/** The command line and the environment. Throws TypeError for an option or a bench that doesn't exist or fits nothing. */
export function benchConfig(argv: readonly string[]): BenchConfig {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: OPTIONS,
    strict: true,
    allowPositionals: true,
  });
  const unknown = positionals.find((name) => !BENCHES.some((bench) => bench === name));
  if (unknown !== undefined) throw new TypeError(`unsupported bench "${unknown}"; expected ${BENCHES.join(', ')}`);
  const { quick, from = [], readme } = values;
  if (from.length > 0 && (quick || positionals.length > 0))
    throw new TypeError('--from takes what was measured: give it neither a bench nor --quick');
  if (readme && quick) throw new TypeError('--readme wants the whole bench: leave --quick out');
  return {
    benches: BENCHES.filter((name) =>
      positionals.length === 0 ? !(quick && NOT_QUICK.includes(name)) : positionals.includes(name),
    ),
    from,
    quick,
    starveMinutes: minutes(values.minutes, quick ? 0 : 10),
    json: values.json,
    check: values.check,
    update: values.update,
    readme,
    help: values.help,
    dataDir: process.env['CAPSTAN_BENCH_DIR'] ?? join(ROOT, '.data', 'bench'),
  };
}

function minutes(given: string | undefined, otherwise: number): number {
  if (given === undefined) return otherwise;
  const value = Number(given);
  if (given.trim() === '' || !Number.isFinite(value) || value < 0 || value > 600)
    throw new TypeError(`--minutes takes a number from 0 to 600, not "${given}"`);
  return value;
}
