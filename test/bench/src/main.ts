import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@capstan/test-support';
import { AIMS } from './aims.js';
import { BENCHES, benchConfig, type BenchConfig, type BenchName } from './bench.config.js';
import { renderMachine } from './machine.js';
import { measuredSection, replaceMeasured } from './readme.js';
import { compare, parseKept, renderCompared, withRatios, writeKept, type KeptRatios } from './regression.js';
import { isWorseThanPeer, judgeAim } from './report.js';
import { mergeResults, parseResults, type Results } from './results.js';
import { BenchRun } from './bench-run.js';
import { emptyDirectory } from './stage.js';

const USAGE = `npm run bench [-- ${BENCHES.join(' | ')} …] [OPTIONS]

Measures Capstan whole on this machine: the real services, Postgres and NATS, a forge and agents that are scripts.
Ends with 1 when an aim is missed, a figure is worse than the best that the nearest peer has done, something got lost,
or, with --check, a ratio is worse by more than a quarter than the kept one.

  --quick        fewer rounds of smaller things, within three minutes; aims aren't judged
  --minutes N    how long takeover starves the processor (10; 0 with --quick)
  --json         print one object at the end, and tables on stderr
  --from FILE    take what --json printed instead of measuring; may be given several times
  --check        compare ratios with test/bench/regression.json
  --update       keep this run's ratios there
  --readme       write the figures into README.md
`;

const REGRESSION = join(ROOT, 'test/bench/regression.json');
const README = join(ROOT, 'README.md');

interface Verdict {
  readonly ok: boolean;
  readonly text: string;
}

function verdictOf({ quick, machine, reports }: Results): Verdict {
  const figures = reports.flatMap((report) => report.figures);
  const faults = reports.flatMap((report) => report.faults);
  const missed = quick ? [] : figures.filter((figure) => judgeAim(figure, machine.fsyncMs.p50) === 'missed');
  const worse = quick ? [] : figures.filter(isWorseThanPeer);
  const names = (of: typeof figures): string => of.map(({ key }) => AIMS[key].name).join('; ');
  const said = [
    ...(missed.length > 0 ? [`aims missed: ${names(missed)}`] : []),
    ...(worse.length > 0 ? [`worse than the peer's best: ${names(worse)}`] : []),
    ...(faults.length > 0 ? [`faults: ${faults.join('; ')}`] : []),
  ];
  if (said.length > 0) return { ok: false, text: `Not good enough. ${said.join('. ')}.` };
  if (quick) return { ok: true, text: 'Nothing got lost. Aims are judged by the whole bench only.' };
  return { ok: true, text: `All of ${figures.length} figures reach their aims and the peer's best.` };
}

function checked(results: Results, kept: KeptRatios): Verdict {
  const compared = compare(
    results.reports.flatMap(({ ratios }) => ratios),
    kept[results.quick ? 'quick' : 'full'],
  );
  return { ok: !compared.some(({ isWorse }) => isWorse), text: `Ratios\n${renderCompared(compared)}` };
}

/** Everything that was asked for besides measuring. Answers whether all of it is well. */
function conclude(config: BenchConfig, results: Results, print: (text: string) => void): boolean {
  const verdict = verdictOf(results);
  print(`\n${verdict.text}`);
  let ok = verdict.ok;
  if (config.check) {
    const { ok: isKept, text } = checked(results, parseKept(readFileSync(REGRESSION, 'utf8')));
    print(`\n${text}`);
    ok &&= isKept;
  }
  if (config.update) {
    const kept = parseKept(readFileSync(REGRESSION, 'utf8'));
    const ratios = results.reports.flatMap((report) => report.ratios);
    writeFileSync(REGRESSION, writeKept(withRatios(kept, results.quick ? 'quick' : 'full', ratios)));
    print(`Kept in ${REGRESSION}`);
  }
  if (config.readme) {
    writeReadme(results);
    print(`Written into ${README}`);
  }
  if (config.json) process.stdout.write(`${JSON.stringify({ ok, ...results })}\n`);
  return ok;
}

function writeReadme({ quick, machine, reports }: Results): void {
  if (quick) throw new TypeError('README.md holds the figures of the whole bench, not of its quick form');
  const missing = BENCHES.filter((name: BenchName) => !reports.some((report) => report.name === name));
  if (missing.length > 0) throw new TypeError(`README.md holds all figures; not measured: ${missing.join(', ')}`);
  const day = new Date().toISOString().slice(0, 10);
  const figures = reports.flatMap((report) => report.figures);
  writeFileSync(README, replaceMeasured(readFileSync(README, 'utf8'), measuredSection(machine, figures, day)));
}

interface Measured {
  readonly results: Results;
  readonly failed: readonly BenchName[];
}

async function measure(config: BenchConfig, print: (text: string) => void): Promise<Measured | 'interrupted'> {
  const interrupted = new Promise<'interrupted'>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve('interrupted'));
  });
  // What was under way when somebody pressed Ctrl-C fails as its system goes; nobody waits for it any more.
  void interrupted.then(() => process.on('unhandledRejection', () => undefined));
  emptyDirectory(config.dataDir);
  const run = new BenchRun(config, print);
  const work = run.all().then((results) => ({ results, failed: run.failed }));
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    work.catch(() => undefined); // its stage is taken away below
    await run.close();
  }
}

async function main(): Promise<number> {
  let config: BenchConfig;
  try {
    config = benchConfig(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (config.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const out = config.json ? process.stderr : process.stdout;
  const print = (text: string): void => void out.write(`${text}\n`);
  try {
    if (config.from.length > 0) {
      const results = mergeResults(config.from.map((file) => parseResults(readFileSync(file, 'utf8'), file)));
      print(renderMachine(results.machine));
      return conclude(config, results, print) ? 0 : 1;
    }
    const measured = await measure(config, print);
    if (measured === 'interrupted') return 130;
    const isWell = conclude(config, measured.results, print);
    if (measured.failed.length === 0) return isWell ? 0 : 1;
    print(`\nBroken off: ${measured.failed.join(', ')}. Data and logs: ${config.dataDir}`);
    return 1;
  } catch (error) {
    if (config.from.length > 0) print(`\nNot done: ${error instanceof Error ? error.message : String(error)}`);
    else {
      print(`\nThe bench failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      print(`Data and logs: ${config.dataDir}`);
    }
    return 1;
  }
}

process.exit(await main());
