import { loadServers, makeDataDir, rootDir, sweepDeadRuns, watchOver } from './jest.servers.mjs';

/**
 * One Postgres and one NATS per Jest run, told to the specs by CAPSTAN_TEST_DATABASE_URL, CAPSTAN_TEST_NATS_URL and
 * CAPSTAN_TEST_NATS_BINARY. What is set already is used as it is; CAPSTAN_TEST_SERVERS=none starts nothing, for runs
 * of pure specs.
 */
export default async function globalSetup() {
  if (process.env.CAPSTAN_TEST_SERVERS === 'none') return;
  if (process.env.CAPSTAN_TEST_DATABASE_URL && process.env.CAPSTAN_TEST_NATS_URL) return;
  const { startServers, stopServers, findNats } = await loadServers();
  await sweepDeadRuns(stopServers);
  const dataDir = makeDataDir();
  const path = process.env.PATH ?? '';
  const servers = await startServers({
    rootDir,
    dataDir,
    fsync: false,
    mayCreateDatabases: true,
    databaseUrl: process.env.CAPSTAN_TEST_DATABASE_URL,
    natsUrl: process.env.CAPSTAN_TEST_NATS_URL,
    natsBinary: process.env.NATS_SERVER_BIN,
    path,
    progress: (line) => console.log(line),
  });
  process.env.CAPSTAN_TEST_DATABASE_URL = servers.databaseUrl;
  process.env.CAPSTAN_TEST_NATS_URL = servers.natsUrl;
  process.env.CAPSTAN_TEST_NATS_BINARY ??= findNats({ rootDir, path, fromEnvironment: process.env.NATS_SERVER_BIN });
  globalThis.capstanTestServers = { servers, dataDir, watcher: watchOver(dataDir) };
}
