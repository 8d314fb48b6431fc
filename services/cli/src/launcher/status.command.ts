import { join } from 'node:path';
import { errorText } from '@capstan/domain';
import { z } from 'zod';
import type { Command, CommandContext } from '../command.js';
import { EXIT, type ExitCode } from '../exit-code.js';
import { isAlive } from '../servers/process-identity.js';
import { readServerState } from '../servers/server-state.js';
import { ageOf, plain } from '../terminal.js';
import { findAgents } from './agents.js';
import { DataDirectory } from './data-directory.js';

export const statusCommand: Command = {
  name: 'status',
  usage: 'status',
  summary: 'Show what of Capstan runs on this machine. Exit code 0 when it answers, 4 when it does not.',
  arity: [0, 0],
  run: status,
};

interface Part {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
}

async function status({ config, terminal }: CommandContext): Promise<ExitCode> {
  const directory = new DataDirectory(config.dataDir);
  const state = directory.launcherState();
  const servers = readServerState(join(config.dataDir, 'servers.json'));
  const health = state === undefined ? undefined : await healthOf(state.url);
  const supervisor = join(config.rootDir, 'libs', 'supervisor', 'dist', 'supervisor.mjs');
  const agents = await findAgents(directory.pods, supervisor);
  const process_ = (name: string, identity: { pid: number; startTime: string } | undefined): Part => {
    const alive = identity !== undefined && isAlive(identity);
    return { name, state: alive ? 'running' : 'stopped', detail: alive ? `process ${identity.pid}` : '' };
  };
  const parts: Part[] = [
    process_('launcher', state?.launcher),
    process_('host', state?.host),
    given(state?.given?.postgres, process_('postgres', servers.postgres?.process)),
    given(state?.given?.nats, process_('nats', servers.nats?.process)),
    { name: 'api', state: health?.ok === true ? 'answers' : 'silent', detail: health?.detail ?? '' },
    {
      name: 'agents',
      state: agents.length === 0 ? 'none' : `${agents.length} at work`,
      detail: agentsDetail(agents.length, health),
    },
  ];
  const setUpUrl = health?.ok === true && state !== undefined ? await setUpUrlOf(state.url, directory) : null;
  const internalUrl = state?.internalUrl ?? null;
  const about = { url: state?.url ?? null, internalUrl, startedAt: state?.startedAt ?? null, dataDir: config.dataDir };
  const failing = await failingChecks(state?.internalUrl);
  terminal.json({ ...about, parts, failing });
  terminal.table(
    ['PART', 'STATE', 'DETAIL'],
    parts.map((part) => [part.name, part.state, part.detail]),
  );
  for (const { name, detail } of failing) terminal.wrapped(`${name}: ${detail}`, 2, (line) => terminal.yellow(line));
  if (state !== undefined && health?.ok === true) {
    terminal.line(`\n${terminal.bold(state.url)}, up for ${ageOf(state.startedAt, Date.now())}`);
    if (internalUrl !== null)
      terminal.line(terminal.dim(`Health: ${internalUrl}/healthz   Metrics: ${internalUrl}/metrics`));
    if (setUpUrl !== null)
      terminal.line(`Not set up yet (this link works once, on this machine): ${terminal.bold(setUpUrl)}`);
  } else terminal.line(`\nStart it with: npm start   (state: ${config.dataDir})`);
  return health?.ok === true ? EXIT.ok : EXIT.unreachable;
}

function given(address: string | undefined, own: Part): Part {
  return address === undefined ? own : { name: own.name, state: 'given', detail: address };
}

function agentsDetail(count: number, health: { readonly ok: boolean } | undefined): string {
  return count === 0 || health?.ok === true
    ? ''
    : 'they go on by themselves; stop them with: npx capstan down --agents';
}

const Report = z.object({
  status: z.string(),
  checks: z.array(
    z.object({ name: z.string(), status: z.string(), reason: z.string().optional(), remedy: z.string().optional() }),
  ),
});

/** What the host finds wrong with itself; nothing while all is well, or where there is no host to ask. */
async function failingChecks(internalUrl: string | undefined): Promise<readonly Part[]> {
  if (internalUrl === undefined) return [];
  try {
    const answer = await fetch(`${internalUrl}/healthz`, { signal: AbortSignal.timeout(3_000) });
    const report = Report.parse(await answer.json());
    return report.checks
      .filter(({ status }) => status !== 'ok')
      .map(({ name, status, reason, remedy }) => ({
        name,
        state: status,
        detail: plain([reason, remedy].filter(Boolean).join('. ')),
      }));
  } catch {
    return []; // the line of the host says that it is gone
  }
}

async function setUpUrlOf(url: string, directory: DataDirectory): Promise<string | null> {
  try {
    const answer = await fetch(`${url}/api/set-up`, { signal: AbortSignal.timeout(3_000) });
    const { needed } = z.object({ needed: z.boolean() }).parse(await answer.json());
    return needed ? `${url}/setup#token=${directory.secrets().setUpToken}` : null;
  } catch {
    return null; // without a gateway there is nothing to set up
  }
}

async function healthOf(url: string): Promise<{ readonly ok: boolean; readonly detail: string }> {
  try {
    const answer = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(3_000) });
    return { ok: answer.ok, detail: `${url} (${answer.status})` };
  } catch (error) {
    return { ok: false, detail: errorText(error) };
  }
}
