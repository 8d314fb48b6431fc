import { join } from 'node:path';
import type { Command, CommandContext } from '../command.js';
import { EXIT, type ExitCode } from '../exit-code.js';
import type { Terminal } from '../terminal.js';
import { stopAgents } from './agents.js';
import { DataDirectory } from './data-directory.js';
import { Launcher, type LauncherEvent } from './launcher.js';
import { tailOf } from '../servers/process-identity.js';

/** How long a second Ctrl-C is waited for once everything else has stopped. */
const SECOND_CHANCE_MS = 4_000;
/** Deaths of the host in a row after which the end of its log is shown. */
const CRASH_LOOP = 3;

export const upCommand: Command = {
  name: 'up',
  usage: 'up',
  summary: 'Run Capstan on this machine until Ctrl-C: Postgres, NATS and all services.',
  details: [
    'State lives in .data, or in CAPSTAN_DATA_DIR. The dashboard answers on http://127.0.0.1:4400 (CAPSTAN_PORT).',
    'CAPSTAN_DATABASE_URL and CAPSTAN_NATS_URL name servers that run already. Agents outlive Ctrl-C; a second Ctrl-C',
    'stops them too. With -o json each event is one line of JSON.',
  ].join(' '),
  arity: [0, 0],
  run: up,
};

async function up({ config, terminal }: CommandContext): Promise<ExitCode> {
  const directory = new DataDirectory(config.dataDir);
  const launcher = new Launcher(config, (event) => show(event, terminal, directory));
  const signals = new Signals();
  terminal.line(terminal.bold('Capstan'));
  terminal.line(terminal.dim(`State: ${config.dataDir}   Log: ${directory.logFile}`));
  try {
    await Promise.race([launcher.start(), signals.first]);
    await signals.first;
  } catch (error) {
    await launcher.stop();
    throw error;
  }
  terminal.line();
  const agents = await launcher.stop();
  const supervisor = join(config.rootDir, 'libs', 'supervisor', 'dist', 'supervisor.mjs');
  if (agents.count > 0 && (await signals.secondWithin(SECOND_CHANCE_MS))) {
    const { stopped, failures } = await stopAgents(directory.pods, supervisor);
    terminal.json({ event: 'agents_stopped', stopped, failures });
    terminal.line(`${stopped} ${stopped === 1 ? 'agent' : 'agents'} stopped.`);
    for (const failure of failures) terminal.complain(terminal.red(failure));
    return failures.length === 0 ? EXIT.ok : EXIT.failed;
  }
  terminal.json({ event: 'stopped' });
  terminal.line(agents.count > 0 ? 'Stopped; the agents go on.' : 'Stopped.');
  return EXIT.ok;
}

/** Ctrl-C, a closed terminal and `capstan down` all mean: stop in order. Only Ctrl-C counts as a second one. */
class Signals {
  readonly first: Promise<void>;
  private readonly second: Promise<void>;

  constructor() {
    let firstCame: () => void;
    let secondCame: () => void;
    this.first = new Promise((resolve) => {
      firstCame = resolve;
    });
    this.second = new Promise((resolve) => {
      secondCame = resolve;
    });
    let firstAtMs: number | undefined;
    const received = (signal: NodeJS.Signals) => {
      const nowMs = performance.now();
      // npm passes a Ctrl-C on that the terminal has sent us already: that is one, not two.
      if (firstAtMs === undefined) firstAtMs = nowMs;
      else if (signal === 'SIGINT' && nowMs - firstAtMs > 300) secondCame();
      firstCame();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, received);
  }

  async secondWithin(ms: number): Promise<boolean> {
    const timeout = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), process.stdin.isTTY ? ms : 0));
    return Promise.race([this.second.then(() => true), timeout]);
  }
}

function show(event: LauncherEvent, terminal: Terminal, directory: DataDirectory): void {
  const { kind, ...rest } = event;
  terminal.json({ event: kind, ...rest });
  switch (event.kind) {
    case 'step':
      return terminal.line(`${terminal.green('✓')} ${event.text} ${terminal.dim(`${(event.ms / 1000).toFixed(1)} s`)}`);
    case 'progress':
      return terminal.line(terminal.dim(`… ${event.text}`));
    case 'service':
      return;
    case 'ready':
      if ('url' in event) showReady(event, terminal);
      else if (event.restarts > 0) terminal.line(terminal.green('✓ the services are back'));
      return;
    case 'not_isolated':
      terminal.line(
        terminal.yellow(`Not isolated, for ${event.why}: `) + 'agents run as you and reach what you reach.',
      );
      return terminal.line('Only throw-away tokens and repositories belong in it.');
    case 'repaired':
      return terminal.line(terminal.yellow(`${event.servers.join(' and ')} had died and runs again`));
    case 'trouble':
      return terminal.complain(terminal.red(event.text));
    case 'died':
      terminal.complain(
        terminal.red(`The host died (${event.how}); again in ${(event.againInMs / 1000).toFixed(1)} s. Agents go on.`),
      );
      if (event.inARow === CRASH_LOOP) {
        terminal.complain(`It died ${event.inARow} times in a row. The end of ${directory.logFile}:`);
        terminal.complain(terminal.dim(tailOf(directory.logFile, 12)));
      }
      return;
    case 'agents':
      return showAgents(event, terminal);
  }
}

function showReady(event: Extract<LauncherEvent, { url: string }>, terminal: Terminal): void {
  terminal.line();
  terminal.line(`Ready in ${(event.ms / 1000).toFixed(1)} s: ${terminal.bold(event.url)}`);
  if (event.setUpUrl !== undefined) {
    terminal.line(`Set it up here (this link works once, on this machine): ${terminal.bold(event.setUpUrl)}`);
  }
  terminal.line(terminal.dim('Ctrl-C stops it.'));
}

function showAgents(event: Extract<LauncherEvent, { kind: 'agents' }>, terminal: Terminal): void {
  const until = event.until === undefined ? '' : `, until ${event.until.toLocaleTimeString()} at the latest`;
  const [subject, verb] = event.count === 1 ? ['agent', 'goes'] : ['agents', 'go'];
  terminal.line(terminal.yellow(`${event.count} ${subject} ${verb} on${until}.`));
  terminal.line('Ctrl-C again stops them too; so does: npx capstan down --agents');
}
