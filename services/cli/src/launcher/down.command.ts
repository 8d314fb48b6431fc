import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TransientError } from '@capstan/domain';
import type { Command, CommandContext } from '../command.js';
import { EXIT, type ExitCode } from '../exit-code.js';
import { isAlive, stopProcess, waitUntilGone, type ProcessIdentity } from '../servers/process-identity.js';
import { stopServers } from '../servers/servers.js';
import { findAgents, stopAgents } from './agents.js';
import { DataDirectory } from './data-directory.js';

/** Services, NATS and Postgres have their own time limits; all of them together are below this. */
const DOWN_WITHIN_MS = 120_000;

export const downCommand: Command = {
  name: 'down',
  usage: 'down [--agents]',
  summary: 'Stop Capstan on this machine: services, NATS, Postgres. Agents go on.',
  details: 'Nothing to stop is fine. What was left by a launcher that was killed is stopped as well.',
  options: { agents: { type: 'boolean', help: 'stop the running agents too; what they did so far is kept' } },
  arity: [0, 0],
  run: down,
};

async function down({ config, terminal, options }: CommandContext): Promise<ExitCode> {
  const directory = new DataDirectory(config.dataDir);
  if (!existsSync(config.dataDir)) {
    terminal.line(`Nothing to stop: there is no ${config.dataDir}.`);
    terminal.json({ stopped: false, agentsStopped: 0, agentsGoOn: 0, failures: [] });
    return EXIT.ok;
  }
  const state = directory.launcherState();
  if (state !== undefined && isAlive(state.launcher)) await endLauncher(state.launcher);
  const left = directory.launcherState();
  if (left?.host !== undefined) await stopProcess(left.host, 'SIGTERM', 30_000, 'SIGKILL');
  await stopServers(config.dataDir);
  directory.release();
  terminal.line(state === undefined ? 'Nothing ran.' : 'Stopped: services, NATS, Postgres.');
  const supervisor = join(config.rootDir, 'libs', 'supervisor', 'dist', 'supervisor.mjs');
  const agents =
    options['agents'] === true ? await stopAgents(directory.pods, supervisor) : { stopped: 0, failures: [] };
  const goOn = options['agents'] === true ? 0 : (await findAgents(directory.pods, supervisor)).length;
  if (options['agents'] === true) terminal.line(`Agents stopped: ${agents.stopped}.`);
  else if (goOn > 0) {
    const words = goOn === 1 ? '1 agent goes on; it is stopped' : `${goOn} agents go on; they are stopped`;
    terminal.line(terminal.yellow(`${words} with: npx capstan down --agents`));
  }
  for (const failure of agents.failures) terminal.complain(terminal.red(failure));
  terminal.json({
    stopped: state !== undefined,
    agentsStopped: agents.stopped,
    agentsGoOn: goOn,
    failures: agents.failures,
  });
  return agents.failures.length === 0 ? EXIT.ok : EXIT.failed;
}

/** Asks a launcher to stop, and waits for it. @throws TransientError `launcher_stuck` */
export async function endLauncher(launcher: ProcessIdentity, withinMs = DOWN_WITHIN_MS): Promise<void> {
  process.kill(launcher.pid, 'SIGTERM');
  if (await waitUntilGone(launcher, withinMs)) return;
  throw new TransientError(`the launcher (process ${launcher.pid}) doesn't end within ${withinMs / 1000} s`, {
    code: 'launcher_stuck',
    remedy: `Look at its terminal; kill -9 ${launcher.pid} is safe: the next start finds all as it was.`,
  });
}
