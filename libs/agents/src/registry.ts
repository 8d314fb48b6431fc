import { UserError } from '@capstan/domain';
import type { AgentAdapter } from './agent.port.js';
import { claudeCodeAgent } from './claude-code/claude-code.adapter.js';
import { codexAgent } from './codex/codex.adapter.js';
import { commandAgent } from './command/command.adapter.js';
import { copilotAgent } from './copilot/copilot.adapter.js';
import { geminiAgent } from './gemini/gemini.adapter.js';
import { opencodeAgent } from './opencode/opencode.adapter.js';

/** Every agent that Capstan can run: one line each. */
const AGENTS: readonly AgentAdapter[] = [
  claudeCodeAgent,
  codexAgent,
  opencodeAgent,
  geminiAgent,
  copilotAgent,
  commandAgent, // any executable
];

export const AGENT_NAMES: readonly string[] = AGENTS.map(({ name }) => name);

/** Secrets that are a choice, not a key: their values are words that honest work may hold. */
export const AGENT_CHOICES: readonly string[] = AGENTS.flatMap(({ options = [] }) => options);

/** Hosts of that agent's provider; none of one that isn't known any more. */
export function agentHosts(name: string): readonly string[] {
  return AGENTS.find((each) => each.name === name)?.hosts ?? [];
}

/** The adapter of that name. Throws UserError `agent_unknown` with the field `agent`. */
export function agent(name: string): AgentAdapter {
  const found = AGENTS.find((each) => each.name === name);
  if (found) return found;
  throw new UserError(`unsupported agent "${name}"; expected ${AGENT_NAMES.join(', ')}`, {
    code: 'agent_unknown',
    status: 422,
    field: 'agent',
    remedy: `Choose one of: ${AGENT_NAMES.join(', ')}.`,
  });
}
