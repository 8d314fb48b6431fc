import { unreachable } from '@capstan/domain';
import type { AgentAdapter, AgentCommand, AgentInvocation, ParseState, ParseStep } from '../agent.port.js';
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
  validate(settings) {
    commandSettings(settings);
  },
  command: buildCommand,
  initial(settings) {
    const { output, model } = commandSettings(settings);
    const facts: CommandFacts = { output, ...(model !== undefined && { model }) };
    return { facts: { ...facts } };
  },
  parse,
  judge: judgeCommand,
};

function buildCommand(invocation: AgentInvocation): AgentCommand {
  const { argv, promptVia, model } = commandSettings(invocation.settings);
  const env: Record<string, string> = {
    ...agentEnvironment(invocation),
    CAPSTAN_WORKTREE: invocation.worktree,
    CAPSTAN_MAX_TURNS: String(invocation.limits.maxTurns),
    ...(model !== undefined && { CAPSTAN_MODEL: model }),
    ...(invocation.resumeSession !== undefined && { CAPSTAN_RESUME_SESSION: invocation.resumeSession }),
  };
  switch (promptVia) {
    case 'stdin':
      return { argv, env, stdin: invocation.prompt };
    case 'file': {
      const path = `${invocation.home}/${PROMPT_FILE}`;
      return {
        argv: argv.map((each) => each.replaceAll(PROMPT_FILE_PLACEHOLDER, () => path)),
        env: { ...env, CAPSTAN_PROMPT_FILE: path },
        files: { [path]: invocation.prompt },
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
