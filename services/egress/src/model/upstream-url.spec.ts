import fc from 'fast-check';
import { MODEL_PROTOCOLS } from '@capstan/domain';
import { PROVIDERS } from './provider.js';
import { upstreamUrl } from './upstream-url.js';

it.each([
  ['anthropic', undefined, '/v1/messages?beta=true', 'https://api.anthropic.com/v1/messages?beta=true'],
  ['anthropic', 'http://127.0.0.1:4/', '/v1/messages', 'http://127.0.0.1:4/v1/messages'],
  ['anthropic', 'https://in.house/claude/v1', '/v1/messages', 'https://in.house/claude/v1/messages'],
  ['openai', undefined, '/responses', 'https://api.openai.com/v1/responses'],
  ['openai', undefined, '/v1/responses', 'https://api.openai.com/v1/responses'],
  [
    'openai',
    'https://in.house/openai?api-version=9',
    '/chat/completions?a=b&key=t',
    'https://in.house/openai/chat/completions?a=b&api-version=9',
  ],
  [
    'gemini',
    undefined,
    '/v1beta/models/g-2:generateContent?key=t',
    'https://generativelanguage.googleapis.com/v1beta/models/g-2:generateContent',
  ],
] as const)('%s at %s: %s', (provider, baseUrl, rest, expected) => {
  expect(upstreamUrl(PROVIDERS[provider], baseUrl, 'POST', rest)?.href).toBe(expected);
});

it('leads nowhere but below its base, whatever is asked for', () => {
  const piece = fc.constantFrom(
    '/',
    '..',
    '.',
    '%2e',
    '%2f',
    '\\',
    '//evil.test',
    '@',
    ':',
    '?',
    '#',
    'v1',
    'messages',
    'models',
    'x',
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...MODEL_PROTOCOLS),
      fc.constantFrom('GET', 'POST'),
      fc.array(piece, { maxLength: 12 }),
      (name, method, pieces) => {
        const url = upstreamUrl(PROVIDERS[name], 'https://in.house/base', method, `/${pieces.join('')}`);
        if (url === null) return;
        expect(url.origin).toBe('https://in.house');
        expect(url.pathname.startsWith('/base/')).toBe(true);
        expect(url.pathname).toMatch(
          method === 'GET' ? /models/ : /messages$|responses|completions$|Content|countTokens|embeddings$/,
        );
      },
    ),
    { numRuns: 2_000 },
  );
});

it.each([
  ['POST', '/v1/files'],
  ['POST', '/v1/models/x:tunedModels'],
  ['GET', '/v1beta/cachedContents'],
  ['GET', '/responses/resp_1'],
  ['GET', '/v1/messages'],
  ['POST', '/v1/messages/batches'],
  ['DELETE', '/v1/models/ft:gpt-5.5:us'],
  ['PUT', '/v1/messages'],
  ['GET', '/'],
  ['GET', ''],
])('is none for %s %j', (method, rest) => {
  for (const name of MODEL_PROTOCOLS) expect(upstreamUrl(PROVIDERS[name], undefined, method, rest)).toBeNull();
});

it.each(['/v1/models', '/models', '/v1/models/ft:gpt-5.5:us', '/v1beta/models/g'])('lists %s', (rest) => {
  for (const name of MODEL_PROTOCOLS) expect(upstreamUrl(PROVIDERS[name], undefined, 'GET', rest)).not.toBeNull();
});
