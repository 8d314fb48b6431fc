import { jsonObject } from '../cli/json-line.js';
import { keyText, unusable, usable, type AgentProgram, type LogIn } from '../log-in/log-in.js';

const AUTH = '.local/share/opencode/auth.json';
/** OpenCode's names of providers, and the secrets that their keys are called by. */
const SECRETS = { anthropic: 'ANTHROPIC_API_KEY', openai: 'OPENAI_API_KEY', google: 'GEMINI_API_KEY' } as const;

export const opencodeProgram: AgentProgram = {
  name: 'opencode',
  package: 'opencode-ai',
  tried: '1.18.33',
  quiet: { OPENCODE_DISABLE_AUTOUPDATE: '1', OPENCODE_DISABLE_MODELS_FETCH: '1' },
  logIn: { command: 'opencode auth login', files: [AUTH], read },
};

/** Its API keys of the providers that egress knows; accounts go by ways of OpenCode's own. */
function read(texts: ReadonlyMap<string, string>): LogIn | null {
  const auth = jsonObject(texts.get(AUTH)!) ?? {};
  const found = Object.entries(SECRETS).flatMap(([provider, secret]) => {
    const { type, key } = (auth[provider] ?? {}) as { readonly type?: unknown; readonly key?: unknown };
    const value = type === 'api' ? keyText(key) : undefined;
    return value === undefined ? [] : [{ provider, secret, value }];
  });
  if (found.length > 0) {
    const words = `API keys of ${found.map(({ provider }) => provider).join(', ')}`;
    return usable(AUTH, words, Object.fromEntries(found.map(({ secret, value }) => [secret, value])));
  }
  if (Object.keys(auth).length === 0) return null;
  return unusable(AUTH, `It holds no API key of ${Object.keys(SECRETS).join(', ')}`, {
    words: 'Accounts work in OpenCode itself alone: log in with an API key, or set the secret.',
    command: 'opencode auth login',
  });
}
