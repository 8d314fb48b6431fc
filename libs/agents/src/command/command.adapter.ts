import { unreachable } from '@capstan/domain';
import type { AgentAdapter, AgentCommand, AgentInvocation, ParseState, ParseStep, Steering } from '../agent.port.js';
import { ANTHROPIC_HOSTS, GOOGLE_HOSTS, OPENAI_HOSTS } from '../cli/provider-hosts.js';
import { agentEnvironment } from '../environment.js';
import { oneLine, storableText } from '../storable.js';
import { commandSettings, PROMPT_FILE_PLACEHOLDER } from './command-settings.schema.js';
import { judgeCommand, type CommandFacts } from './judgement.js';
import { parseNdjson } from './ndjson.parser.js';

/** Name of the prompt's file in the task's HOME: outside the worktree, so that it is never committed. */
const PROMPT_FILE = 'capstan-prompt.md';

/**
 * Runs any executable as an agent: the prompt arrives on stdin or in a file, output is plain text or Capstan's ndjson
 * protocol. It needs no credential, and gets none.
 */
export const commandAgent: AgentAdapter = {
  name: 'command',
  title: 'Command',
  credentials: [],
  hosts: [...ANTHROPIC_HOSTS, ...OPENAI_HOSTS, ...GOOGLE_HOSTS],
  validate(settings) {
    commandSettings(settings);
  },
  command: buildCommand,
  steering(settings) {
    return commandSettings(settings).input === 'ndjson' ? BY_LINES : UNREACHABLE;
  },
  initial(settings) {
    const { output, model } = commandSettings(settings);
    const facts: CommandFacts = { output, ...(model !== undefined && { model }) };
    return { facts: { ...facts } };
  },
  parse,
  judge: judgeCommand,
};

/** Lines of Capstan's ndjson protocol for an agent's stdin; described for authors of agents in this project's README. */
const BY_LINES: Steering = {
  message: (id, text) => JSON.stringify({ type: 'message', id, text }),
  interrupt: (id) => JSON.stringify({ type: 'interrupt', id }),
};
/** Any program at all: a signal might end it, and its stdin is over. */
const UNREACHABLE: Steering = { message: null, interrupt: null };

function buildCommand(invocation: AgentInvocation): AgentCommand {
  const { argv, promptVia, input, model } = commandSettings(invocation.settings);
  const open = input === 'ndjson' ? { keepStdinOpen: true } : {};
  const env: Record<string, string> = {
    ...agentEnvironment(invocation),
    CAPSTAN_WORKTREE: invocation.worktree,
    CAPSTAN_MAX_TURNS: String(invocation.limits.maxTurns),
    ...(model !== undefined && { CAPSTAN_MODEL: model }),
    ...(invocation.resumeSession !== undefined && { CAPSTAN_RESUME_SESSION: invocation.resumeSession }),
  };
  switch (promptVia) {
    case 'stdin':
      return open.keepStdinOpen === true
        ? { argv, env, ...open, stdin: `${JSON.stringify({ type: 'prompt', text: invocation.prompt })}\n` }
        : { argv, env, stdin: invocation.prompt };
    case 'file': {
      const path = `${invocation.home}/${PROMPT_FILE}`;
      return {
        argv: argv.map((each) => each.replaceAll(PROMPT_FILE_PLACEHOLDER, () => path)),
        env: { ...env, CAPSTAN_PROMPT_FILE: path },
        files: { [path]: invocation.prompt },
        ...open,
      };
    }
    default:
      return unreachable(promptVia);
  }
}

function parse(state: ParseState, stream: 'stdout' | 'stderr', text: string): ParseStep {
  if (stream === 'stderr') {
    const lastStderr = oneLine(text);
    const facts = lastStderr === '' ? state.facts : { ...state.facts, lastStderr };
    return { state: { ...state, facts }, lines: [{ kind: 'stderr', text: storableText(text) }] };
  }
  if (state.facts['output'] === 'ndjson') return parseNdjson(state, text);
  return { state, lines: [{ kind: 'text', text: storableText(text) }] };
}
