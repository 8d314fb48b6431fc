import { z } from 'zod';
import { jsonObject } from '../cli/json-line.js';
import { keyText, unusable, usable, type AgentProgram, type LogIn } from '../log-in/log-in.js';

const CREDENTIALS = '.claude/.credentials.json';
const SETTINGS = '.claude.json';
/** A token that ends within this is not given to anybody any more. ms */
const NEARLY_OVER_MS = 60_000;

const Account = z.object({
  claudeAiOauth: z.object({
    accessToken: z.string().trim().min(1),
    expiresAt: z.number().optional().catch(undefined),
    subscriptionType: z.string().max(40).optional().catch(undefined),
  }),
});

export const claudeProgram: AgentProgram = {
  name: 'claude',
  package: '@anthropic-ai/claude-code',
  tried: '2.1.329',
  quiet: { DISABLE_AUTOUPDATER: '1', DISABLE_TELEMETRY: '1', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' },
  logIn: { command: 'claude /login', files: [CREDENTIALS, SETTINGS], read },
};

/** An account's token, else the API key that a log-in at the console leaves in the CLI's own settings. */
function read(texts: ReadonlyMap<string, string>, now: number): LogIn | null {
  const credentials = texts.get(CREDENTIALS);
  const account = Account.safeParse(jsonObject(credentials ?? ''));
  const key = keyText(jsonObject(texts.get(SETTINGS) ?? '')?.['primaryApiKey']);
  if (!account.success && key !== undefined)
    return usable(SETTINGS, 'An API key of the console', { ANTHROPIC_API_KEY: key });
  if (credentials === undefined) return null;
  if (!account.success)
    return unusable(CREDENTIALS, 'It holds no account of Claude that Capstan understands', {
      words: 'Log in anew, or set CLAUDE_CODE_OAUTH_TOKEN to what claude setup-token gives.',
      command: 'claude /login',
    });
  const { accessToken, expiresAt, subscriptionType } = account.data.claudeAiOauth;
  const words = subscriptionType === undefined ? 'An account of Claude' : `An account of Claude (${subscriptionType})`;
  if (expiresAt === undefined || expiresAt - NEARLY_OVER_MS > now)
    return usable(CREDENTIALS, words, { CLAUDE_CODE_OAUTH_TOKEN: accessToken });
  return {
    state: 'expired',
    place: `~/${CREDENTIALS}`,
    words: `${words}, expired`,
    remedy: {
      words: 'Claude Code renews its log-in when it is used; a token of claude setup-token lasts a year.',
      command: 'claude -p OK',
    },
    keys: {},
  };
}
