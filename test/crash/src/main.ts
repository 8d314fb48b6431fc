import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processesOf } from '@capstan/test-support';
import { runBrokenBuild, type BrokenBuildResult } from './broken-builds/broken-build-run.js';
import { BROKEN_BUILDS } from './broken-builds/broken-builds.js';
import { crashConfig, type CrashConfig } from './crash.config.js';
import { render } from './report.js';
import { runCrash } from './run.js';
import { signalOne } from './stage/processes.js';

/** Ends whatever a run on this directory started: hosts, servers, agents. All of them name one of its parts. */
function endAll({ dataDir }: CrashConfig): void {
  for (const part of ['capstan', 'servers'])
    for (const { pid } of processesOf(join(dataDir, part))) signalOne(pid, 'SIGKILL');
}

/** A former run may have been killed. */
function sweep(config: CrashConfig): void {
  const { dataDir } = config;
  endAll(config);
  rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
}

/** One run on an empty directory, whatever becomes of it. */
async function alone<T>(config: CrashConfig, work: () => Promise<T>): Promise<T> {
  sweep(config);
  try {
    return await work();
  } finally {
    endAll(config);
  }
}

/** @returns whether everything holds. */
async function suite(config: CrashConfig): Promise<boolean> {
  const report = await alone(config, () => runCrash(config, print));
  print(render(report));
  if (config.reportFile !== null) writeFileSync(config.reportFile, JSON.stringify(report));
  return report.ok;
}

/** @returns whether the suite catches every build that is broken on purpose. */
async function brokenBuilds(config: CrashConfig): Promise<boolean> {
  const results: BrokenBuildResult[] = [];
  for (const name of Object.keys(BROKEN_BUILDS))
    results.push(await alone(config, () => runBrokenBuild(name, config, print)));
  const violations = results.flatMap(({ name, caught }) => (caught ? [] : [`${name} was not caught`]));
  if (config.reportFile !== null)
    writeFileSync(config.reportFile, JSON.stringify({ tasks: results.length, violations, results }));
  print(violations.length === 0 ? 'Every broken build is caught.' : violations.join('\n'));
  return violations.length === 0;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(): Promise<number> {
  const config = crashConfig();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      endAll(config);
      process.exit(130);
    });
  try {
    return (await (process.argv.includes('--broken') ? brokenBuilds : suite)(config)) ? 0 : 1;
  } catch (error) {
    print(`The crash suite failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    print(`CAPSTAN_CRASH_SEED=${config.seed}; data and logs: ${config.dataDir}`);
    return 1;
  }
}

process.exit(await main());
