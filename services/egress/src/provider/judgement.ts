import type { CheckedState } from '@capstan/domain';
import type { ProviderAnswer } from './ask-provider.js';
import type { Call } from './targets.js';

/** What an answer says of a credential. `words` are the provider's own, as they came: they may hold anything. */
export interface Judgement {
  readonly state: Exclude<CheckedState, 'unchecked'>;
  readonly words: string;
}

type Answered = Extract<ProviderAnswer, { readonly kind: 'answered' }>;

/** Pure. Whatever says nothing of the credential itself is inconclusive. */
export function judgeAnswer(call: Call, answer: ProviderAnswer): Judgement {
  if (answer.kind === 'unasked') return { state: 'refused', words: answer.words };
  if (answer.kind === 'unanswered') return { state: 'inconclusive', words: answer.words };
  const error = errorOf(answer.body);
  const words = error.message ?? `HTTP ${answer.status}`;
  const { status } = answer;
  if (status >= 200 && status < 300) return judgeSuccess(call, answer);
  // It is the list of models that is not for subscriptions; Claude Code may work with the token all the same.
  if (call === 'anthropic-token' && /\bOAuth authentication is\b/i.test(words)) return { state: 'inconclusive', words };
  // The machine's clock is wrong, and not the app's key; a deleted app is not found.
  if (call === 'github-app' && /'(exp|iat)'/.test(words)) return { state: 'inconclusive', words };
  if (call === 'github-app' && status === 404) return { state: 'refused', words };
  if (status === 401 || status === 402) return { state: error.expired ? 'expired' : 'refused', words };
  if (status === 400 && error.keyInvalid) return { state: error.expired ? 'expired' : 'refused', words };
  if (status === 403) return judgeForbidden(answer, error, words);
  if (status === 404 && call === 'github-repository')
    return { state: 'scope_too_narrow', words: `${words}: GitHub hides what a token may not see` };
  return { state: 'inconclusive', words };
}

function judgeForbidden({ headers }: Answered, error: ProviderError, words: string): Judgement {
  if (error.message === undefined && isPage(headers))
    return { state: 'inconclusive', words: 'HTTP 403 with a page for people: something in between answered' };
  const isLimited =
    headers['retry-after'] !== undefined ||
    headers['x-ratelimit-remaining'] === '0' ||
    /\b(secondary )?rate limit/i.test(words);
  if (isLimited) return { state: 'inconclusive', words };
  return { state: error.expired ? 'expired' : 'scope_too_narrow', words };
}

function judgeSuccess(call: Call, answer: Answered): Judgement {
  const { headers, body } = answer;
  if (isPage(headers))
    return { state: 'inconclusive', words: 'A page for people came, not what the provider’s API answers' };
  const ends = headers['github-authentication-token-expiration'];
  const valid: Judgement = { state: 'valid', words: typeof ends === 'string' ? `Expires ${ends}` : '' };
  return call === 'github-repository' ? (narrowScope(headers, jsonOf(body)) ?? valid) : valid;
}

/** What a token lacks to push to a repository that it sees; undefined where GitHub names nothing. */
function narrowScope(headers: Answered['headers'], json: unknown): Judgement | undefined {
  if (!isRecord(json)) return { state: 'inconclusive', words: 'The answer is no repository' };
  const { permissions } = json;
  if (isRecord(permissions) && permissions['push'] !== true) {
    const allowed = Object.keys(permissions).filter((name) => permissions[name] === true);
    return { state: 'scope_too_narrow', words: `permissions: ${allowed.join(', ') || 'none'}; push is needed` };
  }
  const granted = headers['x-oauth-scopes']; // of classic tokens alone
  if (typeof granted !== 'string') return undefined;
  const scopes = granted.split(',').map((scope) => scope.trim());
  const enough = json['private'] === false ? ['repo', 'public_repo'] : ['repo'];
  if (enough.some((scope) => scopes.includes(scope))) return undefined;
  return { state: 'scope_too_narrow', words: `scopes: ${granted.trim() || 'none'}; ${enough.join(' or ')} is needed` };
}

interface ProviderError {
  readonly message: string | undefined;
  /** It says so of the credential, by a code of its own or in its words. */
  readonly expired: boolean;
  /** Google's way to refuse a key, with status 400. */
  readonly keyInvalid: boolean;
}

/** An error as Anthropic, OpenAI, Google, GitHub and those who imitate them write it. */
function errorOf(body: string): ProviderError {
  const json = jsonOf(body);
  const outer = isRecord(Array.isArray(json) ? json[0] : json) ? ((Array.isArray(json) ? json[0] : json) as Json) : {};
  const inner = isRecord(outer['error']) ? outer['error'] : outer;
  const details = Array.isArray(inner['details']) ? inner['details'].filter(isRecord) : [];
  const detail = isRecord(inner['details']) ? inner['details'] : {};
  const message = [
    inner['message'],
    outer['message'],
    outer['error_description'],
    outer['error'],
    outer['detail'],
  ].find((each): each is string => typeof each === 'string' && each.trim() !== '');
  const codes = [
    inner['code'],
    inner['type'],
    inner['status'],
    detail['error_code'],
    ...details.map((d) => d['reason']),
  ];
  return {
    message,
    expired: /\bexpired\b/i.test(message ?? '') || codes.some((code) => /expired/i.test(String(code))),
    keyInvalid: codes.includes('API_KEY_INVALID'),
  };
}

type Json = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined; // no JSON: whoever asks sees that
  }
}

function isPage(headers: Answered['headers']): boolean {
  return /\bhtml\b/i.test(headers['content-type'] ?? '');
}
