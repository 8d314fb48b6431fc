import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '@capstan/test-support';
import { AGENT_CLIS, type AgentCli } from '@capstan/test-support/agents';

export interface DemoAgent {
  readonly cli: AgentCli;
  /** The key of the environment: with one the provider's own model works, without a scripted one does. */
  readonly key: { readonly name: string; readonly value: string } | null;
}

export interface DemoConfig {
  /** Stop everything after the merge. */
  readonly once: boolean;
  readonly help: boolean;
  /** The real agent program that does the work; null for the scripted agent. */
  readonly agent: DemoAgent | null;
  readonly dataDir: string;
  readonly port: number | null;
  /** What installing and building took before the demo began, ms. */
  readonly installMs: number;
  readonly colour: boolean;
}

/** The command line or the environment can't be right; the message says why. */
export class DemoUsageError extends Error {}

/** The demo's command line and environment. @throws DemoUsageError */
export function demoConfig(argv: readonly string[]): DemoConfig {
  const values = optionsOf(argv);
  const port = process.env['CAPSTAN_PORT'] || undefined;
  if (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65_535))
    throw new DemoUsageError(`unsupported CAPSTAN_PORT "${port}"; expected a port from 1 to 65535`);
  return {
    once: values.once,
    help: values.help,
    agent: agentOf(values.agent),
    dataDir: process.env['CAPSTAN_DEMO_DIR'] ?? join(ROOT, '.data', 'demo'),
    port: port === undefined ? null : Number(port),
    installMs: Number(process.env['CAPSTAN_INSTALL_MS'] ?? 0),
    colour: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
  };
}

function agentOf(name: string): DemoAgent | null {
  if (name === 'command') return null;
  const cli = AGENT_CLIS.find(({ agent }) => agent === name);
  const names = ['command', ...AGENT_CLIS.map(({ agent }) => agent)];
  if (cli === undefined) throw new DemoUsageError(`unsupported agent "${name}"; expected ${names.join(', ')}`);
  const secret = cli.ownSecret ?? cli.secret;
  const value = process.env[secret];
  return { cli, key: value ? { name: secret, value } : null };
}

function optionsOf(argv: readonly string[]): {
  readonly once: boolean;
  readonly help: boolean;
  readonly agent: string;
} {
  const options = {
    once: { type: 'boolean', default: false },
    agent: { type: 'string', default: 'command' },
    help: { type: 'boolean', default: false, short: 'h' },
  } as const;
  try {
    return parseArgs({ args: [...argv], options, strict: true }).values;
  } catch (error) {
    throw new DemoUsageError(error instanceof Error ? error.message : String(error));
  }
}
