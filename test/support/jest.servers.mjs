import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

export const rootDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const PREFIX = 'capstan-jest-';

/** The launcher's own module for Postgres and NATS, from source as the specs are: nothing has to be built first. */
export async function loadServers() {
  const outfile = join(rootDir, '.cache', 'jest-servers', `servers.${process.pid}.mjs`);
  await build({
    entryPoints: [join(rootDir, 'services/cli/src/servers/jest-entry.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@capstan/source'],
    external: ['pg', 'zod', '@nats-io/*'],
    logLevel: 'error',
  });
  try {
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(outfile, { force: true });
  }
}

/** A data directory for this Jest run. */
export function makeDataDir() {
  const dataDir = mkdtempSync(join(tmpdir(), PREFIX));
  writeFileSync(join(dataDir, 'owner'), String(process.pid));
  return dataDir;
}

/** Stops the servers of Jest runs that were killed before they could. */
export async function sweepDeadRuns(stopServers) {
  for (const name of readdirSync(tmpdir()).filter((each) => each.startsWith(PREFIX))) {
    const dataDir = join(tmpdir(), name);
    const owner = Number(readOr(join(dataDir, 'owner'), '0'));
    if (owner === 0 || existsProcess(owner)) continue;
    try {
      await stopServers(dataDir);
      rmSync(dataDir, { recursive: true, force: true });
    } catch (error) {
      console.warn(`could not clear ${dataDir}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** Ends the servers soon after a Jest run that is killed: they live in sessions of their own and would go on. */
export function watchOver(dataDir) {
  const state = JSON.parse(readFileSync(join(dataDir, 'servers.json'), 'utf8'));
  const script =
    'while kill -0 "$1" 2>/dev/null; do sleep 2; done; kill -INT "$2"; kill -TERM "$3"; sleep 3; rm -rf "$4"';
  const pids = [process.pid, state.postgres?.process?.pid ?? 0, state.nats?.process?.pid ?? 0].map(String);
  const watcher = spawn('sh', ['-c', script, 'sh', ...pids, dataDir], { detached: true, stdio: 'ignore' });
  watcher.unref();
  return watcher;
}

function existsProcess(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function readOr(file, otherwise) {
  return existsSync(file) ? readFileSync(file, 'utf8') : otherwise;
}
