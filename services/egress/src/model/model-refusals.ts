import type { Refusal } from '../server/refusal.js';

/** Programs of providers understand a refused key, not a proxy that wants a password. */
export function unadmitted(refusal: Refusal): Refusal {
  const missing = refusal.reason === 'token_missing';
  return {
    ...refusal,
    status: 401,
    words: missing ? 'no token of a run came with the request, as the API key or in Authorization.' : refusal.words,
  };
}

/** @param wanted names of the secrets of which one has to be set @param fault why a log-in that is there doesn't do */
export function noKey(title: string, wanted: readonly string[], fault: string | null): Refusal {
  return {
    reason: 'key_missing',
    status: 401,
    words: `there is no key for ${title}: the secret ${wanted.join(' or ')} is not set. A person sets it under Settings → Secrets.${fault === null ? '' : ` ${fault}`}`,
  };
}

/** @param names secrets that the agent takes */
export function providerBlocked(agent: string, title: string, names: readonly string[]): Refusal {
  return {
    reason: 'provider_blocked',
    status: 403,
    words: `the agent ${agent} has nothing to ask of ${title}: it takes ${names.join(' or ')}.`,
  };
}

export const PATH_BLOCKED: Refusal = {
  reason: 'path_blocked',
  status: 403,
  words:
    'only models can be asked here. Files, batches and everything else that the key would open are not for agents.',
};
export const BODY_TOO_LONG: Refusal = {
  reason: 'body_too_long',
  status: 413,
  words: 'the request is too long to have the name of its model changed, and no other provider is free.',
};
export const TOO_MANY: Refusal = {
  reason: 'too_many',
  status: 429,
  words: 'the run has too many requests open. Wait for some to end.',
  retryAfter: 1,
};
export const UNAVAILABLE: Refusal = {
  reason: 'unavailable',
  status: 503,
  words: 'its database is away, so that nobody can be asked now. Try again in some seconds.',
  retryAfter: 3,
};
