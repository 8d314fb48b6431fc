import { join } from 'node:path';
import { ROOT } from '../capstan-process.js';
import { toolPath } from '../github-double/tool-path.config.js';

/** One agent program, and what a repository needs to run it against an endpoint of one's own. */
export interface AgentCli {
  /** Name of the adapter. */
  readonly agent: string;
  readonly model: string;
  /** The secret that its key for an endpoint of one's own is kept in. */
  readonly secret: string;
  /** The secret for the provider's own model, where it is another. */
  readonly ownSecret?: string;
  /** What it wants as base URL, below the endpoint's address. */
  readonly path: string;
  /** It says what it has done and not what that took. */
  readonly tellsNoTokens?: boolean;
}

export const AGENT_CLIS: readonly AgentCli[] = [
  { agent: 'claude-code', model: 'claude-sonnet-4-5', secret: 'ANTHROPIC_API_KEY', path: '' },
  { agent: 'codex', model: 'gpt-5.5', secret: 'OPENAI_API_KEY', path: '/v1' },
  { agent: 'opencode', model: 'openai/gpt-5.5', secret: 'OPENAI_API_KEY', path: '/v1' },
  { agent: 'gemini', model: 'gemini-2.5-pro', secret: 'GEMINI_API_KEY', path: '' },
  {
    agent: 'copilot',
    model: 'gpt-5.5',
    secret: 'OPENAI_API_KEY',
    ownSecret: 'COPILOT_GITHUB_TOKEN',
    path: '/v1',
    tellsNoTokens: true,
  },
];

/** Program that installs them: `node FILE`. */
export const INSTALL_AGENTS = join(ROOT, 'test/support/install-agents.mjs');

/** PATH on which the installed programs come before everything else that there may be of the same name. */
export const CLI_PATH = `${join(ROOT, 'test/agents/clis/node_modules/.bin')}:${toolPath()}`;
