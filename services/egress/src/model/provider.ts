import type { ModelProtocol } from '@capstan/domain';
import type { Refusal } from '../server/refusal.js';

export type ProviderName = ModelProtocol;

/** One kind of credential of a provider. */
export interface KeyKind {
  /** The secret; further ones are called the same with `_2` to `_9`. */
  readonly secret: string;
  /** What the choice of {@link Provider.choice} calls it. */
  readonly mode?: string;
  /** How it is sent. @param asked values of the headers that the agent itself sent */
  headers(value: string, asked: (name: string) => string | undefined): Readonly<Record<string, string>>;
}

/** A provider of models, as agents speak to it. */
export interface Provider {
  readonly name: ProviderName;
  /** For people. */
  readonly title: string;
  readonly baseUrl: string;
  /** In the order in which they are tried. */
  readonly keys: readonly KeyKind[];
  /** How a key is sent to another provider that answers in the same protocol. */
  readonly compatible: KeyKind['headers'];
  /** A secret that names the one kind to use. */
  readonly choice?: string;
  /** What is asked of models, by POST; nothing else is, since the key opens more: files, batches, other people's answers. */
  readonly asks: RegExp;
  /** A refusal as the provider would word it, for its programs to understand. */
  refusal(refusal: Refusal): object;
}

const anthropic: Provider = {
  name: 'anthropic',
  title: 'Anthropic',
  baseUrl: 'https://api.anthropic.com',
  keys: [
    { secret: 'ANTHROPIC_API_KEY', mode: 'api-key', headers: (value) => ({ 'x-api-key': value }) },
    {
      secret: 'CLAUDE_CODE_OAUTH_TOKEN',
      mode: 'oauth-token',
      headers: (value, asked) => ({
        authorization: `Bearer ${value}`,
        'anthropic-beta': withBeta(asked('anthropic-beta'), 'oauth-2025-04-20'),
      }),
    },
  ],
  // Some know the one header only, some the other.
  compatible: (value) => ({ 'x-api-key': value, authorization: `Bearer ${value}` }),
  choice: 'CLAUDE_AUTH_MODE',
  asks: /^(\/v1)?\/messages(\/count_tokens)?$/,
  refusal: ({ status, words }) => ({
    type: 'error',
    error: { type: ANTHROPIC_TYPES[status] ?? 'api_error', message: words },
  }),
};

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  503: 'overloaded_error',
};

const openai: Provider = {
  name: 'openai',
  title: 'OpenAI',
  baseUrl: 'https://api.openai.com/v1',
  keys: [{ secret: 'OPENAI_API_KEY', headers: (value) => ({ authorization: `Bearer ${value}` }) }],
  compatible: (value) => ({ authorization: `Bearer ${value}` }),
  asks: /^(\/v1)?\/(responses(\/compact|\/input_tokens)?|chat\/completions|embeddings)$/,
  refusal: ({ status, reason, words }) => ({
    error: {
      message: words,
      type: status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error',
      param: null,
      code: reason,
    },
  }),
};

const gemini: Provider = {
  name: 'gemini',
  title: 'Google',
  baseUrl: 'https://generativelanguage.googleapis.com',
  keys: [{ secret: 'GEMINI_API_KEY', headers: (value) => ({ 'x-goog-api-key': value }) }],
  compatible: (value) => ({ 'x-goog-api-key': value }),
  asks: /^\/v1(alpha|beta)?\/models\/[^/:]+:(generateContent|streamGenerateContent|countTokens|(batchE|e)mbedContents?)$/,
  refusal: ({ status, words }) => ({
    error: { code: status, message: words, status: GOOGLE_STATUS[status] ?? 'UNAVAILABLE' },
  }),
};

const GOOGLE_STATUS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
};

/** Which models there are, by GET: the same at all. */
export const LISTS = /^(\/v1(alpha|beta)?)?\/models(\/[^/]+)?$/;

export type Providers = Readonly<Record<ProviderName, Provider>>;
export const PROVIDERS: Providers = { anthropic, openai, gemini };

/** Adds one to a header's list of betas. */
function withBeta(asked: string | undefined, beta: string): string {
  const all = (asked ?? '').split(',').map((each) => each.trim());
  return [...new Set([...all.filter(Boolean), beta])].join(',');
}
