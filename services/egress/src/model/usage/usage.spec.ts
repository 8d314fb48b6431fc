import fc from 'fast-check';
import type { ProviderName } from '../provider.js';
import { READ_ANSWER, type Seen } from './answer-usage.js';
import { askedModel, namedModel, priceOf } from './priced-model.js';
import { UsageTap } from './usage-tap.js';

const tap = (provider: ProviderName, contentType = 'text/event-stream', contentEncoding = '') =>
  new UsageTap(READ_ANSWER[provider], { contentType, contentEncoding });
const events = (...all: object[]) => all.map((event) => `event: x\r\ndata: ${JSON.stringify(event)}\r\n\r\n`).join('');
const seen = (provider: ProviderName, text: string, contentType?: string): Seen => {
  const each = tap(provider, contentType);
  each.write(Buffer.from(text));
  return each.end();
};

const STREAMS: readonly (readonly [ProviderName, string, Seen])[] = [
  [
    'anthropic',
    events(
      {
        type: 'message_start',
        message: { model: 'claude-x', usage: { input_tokens: 4, cache_read_input_tokens: 5, output_tokens: 1 } },
      },
      { type: 'message_delta', usage: { output_tokens: 9, input_tokens: 4 } },
    ),
    { model: 'claude-x', tokens: { input: 4, output: 9, cacheRead: 5, cacheWrite: 0 } },
  ],
  [
    'openai',
    events(
      { type: 'response.created', response: { model: 'gpt-5.5-2026-04-23', usage: null } },
      { type: 'response.output_text.delta', delta: '"usage" ünïcödé 🎉' },
      {
        type: 'response.completed',
        response: {
          model: 'gpt-5.5-2026-04-23',
          usage: { input_tokens: 100, input_tokens_details: { cached_tokens: 60 }, output_tokens: 7 },
        },
      },
    ),
    { model: 'gpt-5.5-2026-04-23', tokens: { input: 40, output: 7, cacheRead: 60, cacheWrite: 0 } },
  ],
  [
    'openai',
    `${events(
      { object: 'chat.completion.chunk', model: 'm', usage: null },
      { object: 'chat.completion.chunk', model: 'm', usage: { prompt_tokens: 10, completion_tokens: 2 } },
    )}data: [DONE]\n\n`,
    { model: 'm', tokens: { input: 10, output: 2, cacheRead: 0, cacheWrite: 0 } },
  ],
  [
    'gemini',
    events(
      { modelVersion: 'g', usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 1 } },
      {
        modelVersion: 'g',
        usageMetadata: {
          promptTokenCount: 10,
          cachedContentTokenCount: 4,
          candidatesTokenCount: 5,
          thoughtsTokenCount: 6,
        },
      },
    ),
    { model: 'g', tokens: { input: 6, output: 11, cacheRead: 4, cacheWrite: 0 } },
  ],
];

it.each(STREAMS)('a stream of %s tells its tokens, wherever it is cut into pieces', (provider, text, expected) => {
  expect(seen(provider, text)).toEqual(expected);
  const bytes = Buffer.from(text);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 8 }), (cuts) => {
      const each = tap(provider);
      const points = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      for (let index = 1; index < points.length; index += 1)
        each.write(bytes.subarray(points[index - 1], points[index]));
      expect(each.end()).toEqual(expected);
    }),
  );
});

it.each([
  [
    'anthropic',
    { type: 'message', model: 'c', usage: { input_tokens: 1, output_tokens: 2, cache_creation_input_tokens: 3 } },
    { input: 1, output: 2, cacheRead: 0, cacheWrite: 3 },
  ],
  [
    'openai',
    { object: 'response', model: 'o', usage: { input_tokens: 5, output_tokens: 6 } },
    { input: 5, output: 6, cacheRead: 0, cacheWrite: 0 },
  ],
  [
    'openai',
    { object: 'list', model: 'e', usage: { prompt_tokens: 8, total_tokens: 8 } },
    { input: 8, output: 0, cacheRead: 0, cacheWrite: 0 },
  ],
  [
    'gemini',
    [{ usageMetadata: { promptTokenCount: 1 } }, { usageMetadata: { promptTokenCount: 2 } }],
    { input: 2, output: 0, cacheRead: 0, cacheWrite: 0 },
  ],
] as const)('a whole answer of %s %# tells them too', (provider, body, tokens) => {
  expect(seen(provider, JSON.stringify(body), 'application/json; charset=utf-8').tokens).toEqual(tokens);
});

it.each([
  ['what is packed', 'text/event-stream', 'gzip'],
  ['what is neither JSON nor a stream', 'text/html', ''],
])('%s is not read', (_what, contentType, encoding) => {
  const each = tap('gemini', contentType, encoding);
  each.write(Buffer.from(STREAMS[3]![1]));
  expect(each.end()).toEqual({});
});

it('nothing that a stream holds makes it fail', () => {
  fc.assert(
    fc.property(fc.constantFrom('anthropic', 'openai', 'gemini'), fc.anything(), (provider, value) => {
      const each = tap(provider as ProviderName);
      each.write(
        Buffer.from(`data: {"usage": ${JSON.stringify(value) ?? 'x'}, "type": "message_delta"}\n\ndata: {"usage`),
      );
      expect(() => each.end()).not.toThrow();
    }),
  );
});

describe('the model', () => {
  it('is the asked name where the answer only dates it, else the answer’s', () => {
    expect(namedModel('gpt-5.5', { model: 'gpt-5.5-2026-04-23' })).toBe('gpt-5.5');
    expect(namedModel('gpt-5.4-mini', { model: 'gpt-6-astra' })).toBe('gpt-6-astra');
    expect(namedModel('gpt-5.4', { model: 'gpt-5.4-mini' })).toBe('gpt-5.4-mini');
    expect(namedModel('gpt-5.4', {})).toBe('gpt-5.4');
    expect(namedModel(undefined, {})).toBe('unknown');
  });

  it('is asked for in the body or in the address', () => {
    expect(askedModel('/v1/responses', Buffer.from('{"model": "gpt-5.5","input":[]}'))).toBe('gpt-5.5');
    expect(askedModel('/v1beta/models/gemini-2.5-pro:streamGenerateContent', Buffer.alloc(0))).toBe('gemini-2.5-pro');
    expect(askedModel('/v1/responses', Buffer.from('{}'))).toBeUndefined();
  });

  it('has a price at its provider alone', () => {
    const tokens = { input: 1_000_000 / 10, output: 0, cacheRead: 0, cacheWrite: 0 };
    expect(priceOf('openai', 'gpt-5.5', tokens, true)).toBeCloseTo(0.5);
    expect(priceOf('openai', 'gpt-5.5', tokens, false)).toBeUndefined();
    expect(priceOf('openai', 'gpt-5.5', undefined, true)).toBeUndefined();
  });
});
