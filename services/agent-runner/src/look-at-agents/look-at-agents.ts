import { stat } from 'node:fs/promises';
import { TransientError, UserError, errorText } from '@capstan/domain';
import { AGENT_NAMES, agent, readLogIn, type AgentProgram, type LogIn } from '@capstan/agents';
import { localProgram, type Runtime } from '@capstan/runtimes';
import { newId, type LogInJson } from '@capstan/database';
import { ScratchPod } from '../scratch-pod/scratch-pod.js';
import { versionSaid, type Sight } from './look-at-agents.decide.js';

/** What a program may take to tell its version. ms */
const VERSION_MS = 20_000;

/** Every agent that has a program of its own. */
const PROGRAMS = AGENT_NAMES.flatMap((name) => {
  const { program } = agent(name);
  return program === undefined ? [] : [{ name, program }];
});

interface Found {
  readonly name: string;
  readonly program: AgentProgram;
  readonly path: string | undefined;
}

/** Looks for the agents' programs, as a run would find them, and for their log-ins. */
export class AgentLook {
  /** Versions by the very file that told them. */
  private readonly told = new Map<string, Pick<Sight, 'version' | 'problem'>>();

  constructor(
    private readonly runtime: Runtime,
    /** Home directory whose log-ins stand in for secrets; undefined: none do. */
    private readonly logInHome: string | undefined,
  ) {}

  /**
   * What is there now. A program is started behind an agent's boundary to tell its version, without a network where
   * there is one; again only when its file has changed, or `anew`.
   */
  async look(signal: AbortSignal, anew = false): Promise<readonly Sight[]> {
    const found = PROGRAMS.map((each): Found => ({ ...each, path: localProgram(each.program.name) }));
    const unknown: (Found & { readonly key: string })[] = [];
    const keys = new Map<string, string>();
    for (const each of found) {
      if (each.path === undefined) continue;
      const key = await fileKey(each.path);
      keys.set(each.name, key);
      if (anew || this.told.get(key)?.version == null) unknown.push({ ...each, key });
    }
    if (unknown.length > 0) await this.ask(unknown, signal);
    return Promise.all(
      found.map(async ({ name, program, path = null }) => ({
        ...{ agent: name, path },
        ...(this.told.get(keys.get(name) ?? '') ?? { version: null, problem: null }),
        logIn: this.logInHome === undefined ? null : shown(await readLogIn(program, this.logInHome)),
      })),
    );
  }

  private async ask(programs: readonly (Found & { readonly key: string })[], signal: AbortSignal): Promise<void> {
    try {
      const livesMs = VERSION_MS * programs.length;
      await ScratchPod.use(this.runtime, `agents-${newId().slice(-12)}`, livesMs, async (pod) => {
        for (const { name, program, key } of programs) this.told.set(key, await versionOf(pod, name, program, signal));
      });
    } catch (error) {
      if (signal.aborted || !(error instanceof UserError || error instanceof TransientError)) throw error;
      // Where no pod can be made no agent can be started: that is what is wrong with each.
      const problem = { code: 'agent_version_unknown', detail: errorText(error) } as const;
      for (const { key } of programs) if (!this.told.has(key)) this.told.set(key, { version: null, problem });
    }
  }
}

async function versionOf(
  pod: ScratchPod,
  name: string,
  program: AgentProgram,
  signal: AbortSignal,
): Promise<Pick<Sight, 'version' | 'problem'>> {
  const said = { out: '', err: '' };
  const { home } = pod.directories;
  const { PATH = '' } = pod.environment;
  const env = { PATH, HOME: home, TMPDIR: home, LANG: 'C.UTF-8', CI: '1', NO_COLOR: '1', ...program.quiet };
  const { exit } = await pod.run({
    id: `version-${name}`,
    command: { argv: [program.name, '--version'], env },
    withinMs: VERSION_MS,
    signal,
    heard: ({ kind, text }) => (said[kind === 'stdout' ? 'out' : 'err'] += `${text}\n`),
  });
  return versionSaid(exit, said);
}

/** Another file under the same name has another. */
async function fileKey(path: string): Promise<string> {
  const { dev, ino, size, mtimeMs } = await stat(path);
  return [path, dev, ino, size, mtimeMs].join(' ');
}

/** As people see it: the values stay out. */
function shown(logIn: LogIn | null): LogInJson | null {
  if (logIn === null) return null;
  const { keys, ...rest } = logIn;
  return { ...rest, secrets: Object.keys(keys) };
}
