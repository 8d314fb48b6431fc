import { unreachable } from '@capstan/domain';
import { BENCHES, benchConfig, type BenchConfig, type BenchName } from './bench.config.js';
import { benchBurst } from './burst.bench.js';
import { setClock } from './clock.js';
import { benchDispatch } from './dispatch.bench.js';
import { benchIdle } from './idle.bench.js';
import { benchLog } from './log.bench.js';
import { describeMachine, renderMachine, type Machine } from './machine.js';
import { isWorse, render, type BenchReport } from './report.js';
import { emptyDirectory, Stage } from './stage.js';
import { benchStart } from './start.bench.js';

const USAGE = `npm run bench [-- ${BENCHES.join(' | ')} …] [--json]

Measures Capstan whole on this machine: the real services, Postgres and NATS, a forge and agents that are scripts.
Ends with 1 when a figure is worse than the best that the nearest peer has done, or when something got lost.

  --json   print one object at the end instead of the tables
`;

interface Results {
  readonly machine: Machine;
  readonly reports: readonly BenchReport[];
}

function bench(name: BenchName, stage: Stage): Promise<BenchReport> {
  switch (name) {
    case 'start':
      return benchStart(stage);
    case 'idle':
      return benchIdle(stage);
    case 'log':
      return benchLog(stage);
    case 'burst':
      return benchBurst(stage);
    case 'dispatch':
      return benchDispatch(stage);
    default:
      return unreachable(name);
  }
}

async function runBenches(config: BenchConfig, stage: Stage, print: (text: string) => void): Promise<Results> {
  const [row] = await stage.query<{ version: string }>(`select current_setting('server_version') as version`);
  const machine = describeMachine(config.dataDir, { postgres: row!.version });
  print(renderMachine(machine));
  const reports: BenchReport[] = [];
  for (const name of config.benches) {
    setClock();
    const report = await bench(name, stage);
    reports.push(report);
    print(render(report));
  }
  return { machine, reports };
}

function verdict({ reports }: Results): { readonly ok: boolean; readonly text: string } {
  const figures = reports.flatMap((report) => report.figures);
  const worse = figures.filter(isWorse).map(({ name }) => name);
  const faults = reports.flatMap((report) => report.faults);
  const compared = figures.filter(({ peerBest }) => peerBest !== null).length;
  if (worse.length + faults.length === 0)
    return { ok: true, text: `All ${compared} figures are at least the peer's best.` };
  const said = [
    ...(worse.length > 0 ? [`worse than the peer's best: ${worse.join('; ')}`] : []),
    ...(faults.length > 0 ? [`faults: ${faults.join('; ')}`] : []),
  ];
  return { ok: false, text: `Not good enough. ${said.join('. ')}.` };
}

async function main(): Promise<number> {
  const config = benchConfig(process.argv.slice(2));
  if (config.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const out = config.json ? process.stderr : process.stdout;
  const print = (text: string): void => void out.write(`${text}\n`);
  const interrupted = new Promise<'interrupted'>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve('interrupted'));
  });
  // What was under way when somebody pressed Ctrl-C fails as its system goes; nobody waits for it any more.
  void interrupted.then(() => process.on('unhandledRejection', () => undefined));
  emptyDirectory(config.dataDir);
  // Kept as a promise: what is half started when somebody presses Ctrl-C is ended too.
  const opening = Stage.open(config.dataDir);
  const work = opening.then((stage) => runBenches(config, stage, print));
  try {
    const results = await Promise.race([work, interrupted]);
    if (results === 'interrupted') return 130;
    const { ok, text } = verdict(results);
    print(`\n${text}`);
    if (config.json) process.stdout.write(`${JSON.stringify({ ok, ...results })}\n`);
    return ok ? 0 : 1;
  } catch (error) {
    print(`\nThe bench failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    print(`Data and logs: ${config.dataDir}`);
    return 1;
  } finally {
    work.catch(() => undefined); // its stage is taken away below
    await opening.then(
      (stage) => stage.close(),
      () => undefined,
    );
  }
}

process.exit(await main());
