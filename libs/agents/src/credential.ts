import type { AgentSettings } from './agent.port.js';
import { AGENT_NAMES, agent } from './registry.js';

/** A secret that somebody can be asked about. */
export interface KnownCredential {
  readonly provider: 'anthropic' | 'openai' | 'gemini' | 'github';
  /** The provider as people know it. */
  readonly title: string;
  /** The name that agents know it by: a further key for fail-over (`OPENAI_API_KEY_2` … `_9`) is one like the first. */
  readonly name: string;
  /** `token`: an account's, which is sent differently from an API key. */
  readonly form: 'key' | 'token';
}

const KNOWN: readonly KnownCredential[] = [
  { name: 'ANTHROPIC_API_KEY', provider: 'anthropic', title: 'Anthropic', form: 'key' },
  { name: 'CLAUDE_CODE_OAUTH_TOKEN', provider: 'anthropic', title: 'Anthropic', form: 'token' },
  { name: 'OPENAI_API_KEY', provider: 'openai', title: 'OpenAI', form: 'key' },
  { name: 'GEMINI_API_KEY', provider: 'gemini', title: 'Google', form: 'key' },
  { name: 'COPILOT_GITHUB_TOKEN', provider: 'github', title: 'GitHub', form: 'token' },
];

/** What a secret is by its name; undefined for one that no agent knows. */
export function knownCredential(secret: string): KnownCredential | undefined {
  return KNOWN.find(
    ({ name, provider }) =>
      secret === name ||
      (provider !== 'github' && secret.startsWith(name) && /^_[2-9]$/.test(secret.slice(name.length))),
  );
}

/**
 * Names of the secrets of which an agent with these settings needs one; empty for none, and for an agent that this build
 * doesn't know.
 * @param choices what is set of {@link AgentAdapter.options}.
 */
export function credentialsFor(
  settings: AgentSettings,
  choices: Readonly<Record<string, string>> = {},
): readonly string[] {
  if (!AGENT_NAMES.includes(settings.agent)) return [];
  const { credentials, takes } = agent(settings.agent);
  return takes?.(settings, choices) ?? credentials;
}
