import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processesOf } from '@capstan/test-support';
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

async function main(): Promise<number> {
  const config = crashConfig();
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  sweep(config);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      endAll(config);
      process.exit(130);
    });
  try {
    const report = await runCrash(config, print);
    print(render(report));
    if (config.reportFile !== null) writeFileSync(config.reportFile, JSON.stringify(report));
    return report.ok ? 0 : 1;
  } catch (error) {
    print(`The crash suite failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    print(`CAPSTAN_CRASH_SEED=${config.seed}; data and logs: ${config.dataDir}`);
    return 1;
  } finally {
    endAll(config);
  }
}

process.exit(await main());
