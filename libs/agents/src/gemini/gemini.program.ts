import { keyText, unusable, usable, type AgentProgram, type LogIn } from '../log-in/log-in.js';

const VARIABLES = '.gemini/.env';
const ACCOUNT = '.gemini/oauth_creds.json';
const API_KEY = 'GEMINI_API_KEY';

export const geminiProgram: AgentProgram = {
  name: 'gemini',
  package: '@google/gemini-cli',
  tried: '0.61.0',
  quiet: { GEMINI_TELEMETRY_ENABLED: 'false' },
  logIn: { command: `echo ${API_KEY}=YOUR_KEY >> ~/${VARIABLES}`, files: [VARIABLES, ACCOUNT], read },
};

/** An API key in the CLI's own file of variables; an account of Google goes by other ways than the API. */
function read(texts: ReadonlyMap<string, string>): LogIn | null {
  const key = variable(texts.get(VARIABLES) ?? '');
  if (key !== undefined) return usable(VARIABLES, 'An API key of Google AI Studio', { [API_KEY]: key });
  if (!texts.has(ACCOUNT)) return null;
  return unusable(
    ACCOUNT,
    'An account of Google: it works in Gemini CLI itself alone, and would have to be in the pod',
    {
      words: `Set ${API_KEY} under Settings → Secrets; Google AI Studio makes one.`,
      command: null,
    },
  );
}

function variable(text: string): string | undefined {
  const line = new RegExp(String.raw`^\s*(?:export\s+)?${API_KEY}\s*=\s*(.*?)\s*$`, 'm').exec(text)?.[1];
  return keyText(line?.replace(/^(["'])(.*)\1$/, '$2'));
}
