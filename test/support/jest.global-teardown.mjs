import { rmSync } from 'node:fs';

/** Stops what the set-up started. */
export default async function globalTeardown() {
  const started = globalThis.capstanTestServers;
  if (started === undefined) return;
  started.watcher.kill('SIGKILL');
  await started.servers.stop();
  rmSync(started.dataDir, { recursive: true, force: true });
}
