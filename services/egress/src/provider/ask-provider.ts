import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { errorText, unreachable } from '@capstan/domain';
import { forge } from '@capstan/forges';
import { checkedConnection, type Checked, type Reach } from '../address/reach.js';
import { hostPort } from '../forward/host-rule.js';
import { isRefusal } from '../server/refusal.js';
import type { Call, Target } from './targets.js';

/** Beyond this nobody waits for a provider. ms */
const TIMEOUT_MS = 10_000;
/** More of an answer is not read. */
const MAX_BODY_BYTES = 256 * 1_024;

/** What came of a question. `unasked`: the value can't even be sent. */
export type ProviderAnswer =
  | { readonly kind: 'answered'; readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string }
  | { readonly kind: 'unanswered'; readonly words: string }
  | { readonly kind: 'unasked'; readonly words: string };

/** @param signal gives it up; the answer is then `unanswered`. */
export type AskProvider = (target: Target, value: string, signal: AbortSignal) => Promise<ProviderAnswer>;

/**
 * Asks about a credential by the cheapest call there is. Never rejects; answers within ten seconds. No redirect is
 * followed: the credential goes to the address that was checked and to no other.
 */
export function askProvider(reach: Reach, timeoutMs = TIMEOUT_MS): AskProvider {
  return async (target, credential, signal) => {
    const value = shown(target, credential);
    if (typeof value !== 'string') return value;
    if (!/^[\x21-\x7E]+$/.test(value))
      return { kind: 'unasked', words: 'The value holds a space, a line end or another character that no key has.' };
    const url = new URL(target.address);
    url.search = QUERIES[target.call];
    const late = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      const checked = await unlessLate(late, check(reach, url, target));
      if (typeof checked === 'string') return { kind: 'unanswered', words: checked };
      return await unlessLate(late, ask(url, headersOf(target.call, value), checked, late));
    } catch (error) {
      const words = late.aborted
        ? `${url.host} gave no answer within ${timeoutMs / 1_000} seconds`
        : `${url.host} can't be reached: ${errorText(error)}`;
      return { kind: 'unanswered', words };
    }
  };
}

const QUERIES: Readonly<Record<Call, string>> = {
  'anthropic-key': '?limit=1',
  'anthropic-token': '?limit=1',
  gemini: '?pageSize=1',
  openai: '',
  'github-user': '',
  'github-repository': '',
  'github-app': '',
};

/** What is sent of a credential: itself, or what an app proves itself with. */
function shown({ app }: Target, credential: string): string | Extract<ProviderAnswer, { readonly kind: 'unasked' }> {
  if (app === undefined) return credential;
  try {
    return forge('github').apps.proof({ kind: 'app', ...app, privateKey: credential, secret: 'The secret' });
  } catch (error) {
    return { kind: 'unasked', words: errorText(error) };
  }
}

function headersOf(call: Call, value: string): Readonly<Record<string, string>> {
  const bearer = { authorization: `Bearer ${value}` };
  switch (call) {
    case 'anthropic-key':
      return { 'x-api-key': value, 'anthropic-version': '2023-06-01' };
    case 'anthropic-token':
      return { ...bearer, 'anthropic-version': '2023-06-01', 'anthropic-beta': 'oauth-2025-04-20' };
    case 'openai':
      return bearer;
    case 'gemini':
      return { 'x-goog-api-key': value };
    case 'github-user':
    case 'github-repository':
    case 'github-app':
      return { ...bearer, accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' };
    default:
      return unreachable(call);
  }
}

/** Addresses that may be connected to, or why there are none. */
async function check(reach: Reach, url: URL, { trust }: Target): Promise<Checked | string> {
  const where = hostPort(url.host, url.protocol === 'https:' ? 443 : 80);
  if (where === null) return `${url.host} is no host`;
  const checked = await reach.check(where, trust);
  return isRefusal(checked) ? checked.words : checked;
}

async function ask(
  url: URL,
  headers: Readonly<Record<string, string>>,
  { host, port, addresses }: Checked,
  signal: AbortSignal,
): Promise<ProviderAnswer> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    send({
      ...{ host, port, path: `${url.pathname}${url.search}`, signal, agent: false, ...checkedConnection(addresses) },
      headers: { accept: 'application/json', 'user-agent': 'capstan', host: url.host, ...headers },
    })
      .on('response', resolve)
      .on('error', reject)
      .end();
  });
  const body = await beginningOf(answer);
  return { kind: 'answered', status: answer.statusCode ?? 0, headers: answer.headers, body };
}

async function beginningOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= MAX_BODY_BYTES) break; // which ends the connection
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Names are looked up by the system, which takes no signal. */
async function unlessLate<T>(late: AbortSignal, work: Promise<T>): Promise<T> {
  let give = (): void => undefined;
  const cutOff = new Promise<never>((_, reject) => {
    give = () => reject(new Error('no answer in time'));
    late.addEventListener('abort', give, { once: true });
  });
  try {
    return await Promise.race([work, cutOff]);
  } finally {
    late.removeEventListener('abort', give);
  }
}
