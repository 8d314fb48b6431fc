import { jsonObject } from '../cli/json-line.js';
import { keyText, unusable, usable, type AgentProgram, type LogIn } from '../log-in/log-in.js';
import { API_KEY } from './codex-config.js';

const AUTH = '.codex/auth.json';

export const codexProgram: AgentProgram = {
  name: 'codex',
  package: '@openai/codex',
  tried: '0.169.0',
  quiet: {},
  logIn: { command: 'codex login --with-api-key', files: [AUTH], read },
};

/** An API key goes by OpenAI's API; an account of ChatGPT only by ways of Codex's own, which egress doesn't know. */
function read(texts: ReadonlyMap<string, string>): LogIn | null {
  const auth = jsonObject(texts.get(AUTH)!);
  const key = keyText(auth?.[API_KEY]);
  if (key !== undefined && auth?.['auth_mode'] !== 'chatgpt')
    return usable(AUTH, 'An API key of OpenAI', { [API_KEY]: key });
  const isChatGpt = auth?.['tokens'] !== undefined && auth['tokens'] !== null;
  const words = isChatGpt
    ? 'An account of ChatGPT: it works in Codex itself alone, and would have to be in the pod'
    : 'It holds no API key';
  return unusable(AUTH, words, {
    words: `Set ${API_KEY} under Settings → Secrets, or log in with an API key.`,
    command: 'codex login --with-api-key',
  });
}
