import {
  AGENT_TEST_LIMITS,
  AGENT_TEST_MS,
  SYMPTOMS,
  TransientError,
  UserError,
  errorText,
  type Actor,
  type Id,
  type RunExit,
  type SymptomCode,
} from '@capstan/domain';
import { agent, type AgentAdapter, type AgentSettings, type ParsedLine, type ParseState } from '@capstan/agents';
import type { AgentTestJson, Database } from '@capstan/database';
import type { Runtime } from '@capstan/runtimes';
import type { Vault } from '@capstan/service-kit';
import { agentSecrets } from '../drive-run/agent-launch.js';
import { egressEnvironment, type EgressAccess } from '../drive-run/egress-access.js';
import { logInOf } from '../drive-run/own-log-in.js';
import { RunControl } from '../drive-run/run-control.js';
import { runSecrets } from '../drive-run/run-secrets.js';
import { ScratchPod } from '../scratch-pod/scratch-pod.js';

const PROMPT = 'Answer with OK and nothing else. Use no tool.';
const MAX_WORDS = 1_000;

export interface TestPorts {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly vault: Vault;
  readonly egress: (id: Id) => EgressAccess;
  readonly logInHome: string | undefined;
  readonly report: (level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>) => void;
}

/** One test that this replica carries out. */
export interface AgentTest {
  readonly id: Id;
  readonly workspaceId: Id;
  readonly repositoryId: Id | null;
  /** Who asked for it: their own keys come first. */
  readonly actor: Actor;
  readonly settings: AgentSettings;
  /** Default {@link AGENT_TEST_MS}. */
  readonly withinMs?: number;
}

/**
 * Gives an agent one line to answer, by the way of every run: the adapter's command, placeholders for keys, the
 * supervisor, a pod's boundary, egress. What fails is an answer, too. Rejects when it was broken off, or for a fault of ours.
 */
export async function testAgent(ports: TestPorts, test: AgentTest, signal: AbortSignal): Promise<AgentTestJson> {
  let isolation: AgentTestJson['isolation'] = null;
  try {
    const adapter = agent(test.settings.agent);
    adapter.validate(test.settings);
    const egress = ports.egress(test.id);
    const { settings, actor, workspaceId } = test;
    // The workspace's id is no repository's: what is found is the workspace's, as egress finds it.
    const repositoryId = test.repositoryId ?? workspaceId;
    const read = runSecrets(ports, { run: { workspaceId, repositoryId, agent: settings }, task: { createdBy: actor } });
    const secrets = await agentSecrets(adapter, egress, read, logInOf(adapter, settings, ports.logInHome));
    return await ScratchPod.use(ports.runtime, `test-${test.id.slice(-12)}`, AGENT_TEST_MS, async (pod) => {
      isolation = pod.isolation;
      return await inPod(ports, test, { adapter, egress, secrets, pod, signal });
    });
  } catch (error) {
    if (signal.aborted || !(error instanceof UserError || error instanceof TransientError)) throw error;
    const code = error.code in SYMPTOMS ? (error.code as SymptomCode) : 'agent_test_lost';
    return {
      ...NOTHING_SAID,
      isolation,
      failure: { code, detail: error.message, remedy: error.remedy ?? SYMPTOMS[code].remedy },
    };
  }
}

const NOTHING_SAID = { ok: false, words: '', durationMs: null, costUsd: null } as const;

interface Stage {
  readonly adapter: AgentAdapter;
  readonly egress: EgressAccess;
  readonly secrets: Readonly<Record<string, string>>;
  readonly pod: ScratchPod;
  readonly signal: AbortSignal;
}

async function inPod(ports: TestPorts, test: AgentTest, stage: Stage): Promise<AgentTestJson> {
  const { adapter, egress, secrets, pod, signal } = stage;
  const { id, settings, withinMs = AGENT_TEST_MS } = test;
  const { directories, environment, supervisor, isolation } = pod;
  const command = adapter.command({
    ...{ settings, prompt: PROMPT, limits: AGENT_TEST_LIMITS, secrets },
    ...{ worktree: directories.worktree, home: directories.home, cacheDirectory: directories.cache },
    podEnvironment: { ...environment, ...egressEnvironment(egress) },
    modelDoor: egress.url,
  });
  const control = new RunControl({
    ...{ database: ports.database, supervisor, agent: adapter, reach: (call) => call() },
    run: { id, epoch: 1, state: 'running', limits: AGENT_TEST_LIMITS, agent: settings },
    log: (level, message, fields = {}) => ports.report(level, message, { requestId: id, ...fields }),
  });
  let state = adapter.initial(settings);
  const said = new Answer();
  const { exit, ms } = await pod.run({
    ...{ id, command, withinMs, signal },
    heard: ({ kind, text }) => {
      const step = adapter.parse(state, kind, text);
      state = step.state;
      for (const line of step.lines) said.hear(line);
      control.watch(state);
    },
  });
  const failure = failureOf(adapter, state, exit, withinMs);
  return {
    ok: failure === null,
    words: said.words,
    durationMs: ms,
    costUsd: state.usage?.costUsd ?? null,
    isolation,
    failure,
  };
}

/** The last thing that an agent said: some say it whole, some in pieces. */
class Answer {
  private text = '';
  private isOpen = false;

  get words(): string {
    return this.text.trim().slice(0, MAX_WORDS);
  }

  hear({ kind, text, data }: ParsedLine): void {
    const isText = kind === 'text' && text.trim() !== '';
    const goesOn = this.isOpen && kind === 'text' && data?.['delta'] === true;
    if (goesOn) this.text += text;
    else if (isText) this.text = text;
    this.isOpen = goesOn || isText;
  }
}

function failureOf(
  adapter: AgentAdapter,
  state: ParseState,
  exit: RunExit,
  withinMs: number,
): AgentTestJson['failure'] {
  const { verdict, outcome } = adapter.judge(state, exit);
  if (verdict === 'ok' || outcome === undefined) return null;
  const late = exit.ended === 'deadline';
  const code = late ? 'agent_test_timeout' : (outcome.symptom ?? 'agent_failed');
  const detail = late ? `It had not answered after ${withinMs / 1_000} s` : outcome.detail;
  const known = code in SYMPTOMS ? (code as SymptomCode) : 'agent_failed';
  return { code: known, detail: detail || errorText(SYMPTOMS[known].cause), remedy: SYMPTOMS[known].remedy };
}
