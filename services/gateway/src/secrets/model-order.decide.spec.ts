import type { ModelOrderEntry } from '@capstan/api';
import { decideModelOrder } from './model-order.decide.js';
import type { OrderSnapshot } from './model-order.snapshot.js';

type Place = Extract<ModelOrderEntry, { kind: 'compatible' }>;
const key = (secret: string): ModelOrderEntry => ({ kind: 'key', secret });
const place = (over: Partial<Place> = {}): ModelOrderEntry => ({
  kind: 'compatible',
  baseUrl: 'https://open.example/api/v1',
  secret: 'OTHER_KEY',
  models: {},
  ...over,
});
const judge = (entries: readonly ModelOrderEntry[], over: Partial<OrderSnapshot> = {}) =>
  decideModelOrder({
    protocol: 'anthropic',
    entries,
    reserved: new Set(['FORGE_TOKEN']),
    own: new Set(),
    places: new Map([
      ['open.example', { addresses: ['93.184.215.14'] }],
      ['house.example', { addresses: ['10.1.2.3'] }],
      ['cloud.example', { addresses: ['169.254.169.254'] }],
      ['gone.example', { error: 'ENOTFOUND' }],
      ['localhost', { addresses: ['127.0.0.1'] }],
    ]),
    ...over,
  });

it.each([
  ['nothing', []],
  ['keys, further ones and accounts', [key('ANTHROPIC_API_KEY_3'), key('CLAUDE_CODE_OAUTH_TOKEN')]],
  ['another provider, with names', [place({ models: { 'claude-x': 'vendor/x', '*': 'y' } }), key('ANTHROPIC_API_KEY')]],
  ['one in the house', [place({ baseUrl: 'https://house.example' })]],
  ['one of this machine, without TLS', [place({ baseUrl: 'http://localhost:11434/v1' })]],
  ['two accounts there', [place(), place({ secret: 'OTHER_KEY_B' })]],
])('keeps %s', (_what, entries) => {
  expect(judge(entries)).toBeNull();
});

it.each([
  ['entries.1', 'twice', [key('ANTHROPIC_API_KEY'), key('ANTHROPIC_API_KEY')]],
  ['entries.0.secret', 'no key or account of Anthropic', [key('OPENAI_API_KEY')]],
  ['entries.0.secret', 'no key or account of Anthropic', [key('ANTHROPIC_API_KEY_10')]],
  ['entries.1.secret', 'for OpenAI', [key('ANTHROPIC_API_KEY'), place({ secret: 'OPENAI_API_KEY_2' })]],
  ['entries.0.secret', 'for a forge', [place({ secret: 'FORGE_TOKEN' })]],
  ['entries.0.secret', 'for a forge', [place({ secret: 'WEBHOOK_SECRET' })]],
  ['entries.0.secret', 'a choice', [place({ secret: 'CLAUDE_AUTH_MODE' })]],
  ['entries.0.baseUrl', 'in the clear', [place({ baseUrl: 'http://open.example' })]],
  ['entries.0.baseUrl', 'more than a place', [place({ baseUrl: 'https://me:pass@open.example' })]],
  ['entries.0.baseUrl', 'link-local or metadata', [place({ baseUrl: 'https://cloud.example' })]],
  ['entries.0.baseUrl', 'ENOTFOUND', [place({ baseUrl: 'https://gone.example' })]],
  ['entries.0.models.claude-x', 'can’t be asked for', [place({ models: { 'claude-x': '*' } })]],
])('refuses at %s: %s', (field, reason, entries) => {
  const fault = judge(entries);
  expect(fault).toMatchObject({ field, reason: expect.stringContaining(reason.replace('’', "'")) as unknown });
  expect(fault!.remedy.length).toBeGreaterThan(10);
});

it('refuses for Gemini what its paths can not hold', () => {
  const entries = [place({ models: { 'gemini-3': 'google/gemini-3' } })];
  expect(judge(entries, { protocol: 'gemini' })).toMatchObject({ field: 'entries.0.models.gemini-3' });
});
