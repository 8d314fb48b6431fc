import { expect, it } from 'vitest';
import { entryWords, modelsIn, moved, providerTitle, type OrderEntry } from './order-words.ts';

const key = (secret: string): OrderEntry => ({ kind: 'key', secret });

it('reads a list of names, and says which line is none', () => {
  expect(modelsIn('claude-x = vendor/claude-x\n\n * = small ')).toEqual({
    models: { 'claude-x': 'vendor/claude-x', '*': 'small' },
  });
  expect(modelsIn('')).toEqual({ models: {} });
  for (const line of ['claude-x', 'a=', '=b', 'a=b=c'])
    expect(modelsIn(`ok=fine\n${line}`)).toEqual({ fault: `“${line}” is not of the form asked = there` });
});

it('moves a step up and down, and no further than the ends', () => {
  const [one, two, three] = [key('A'), key('B'), key('C')];
  const all = [one, two, three];
  expect(moved(all, 2, -1)).toEqual([one, three, two]);
  expect(moved(all, 0, 1)).toEqual([two, one, three]);
  expect(moved(all, 0, -1)).toEqual(all);
  expect(moved(all, 2, 1)).toEqual(all);
});

it('tells keys, accounts and other providers apart', () => {
  expect(entryWords(key('ANTHROPIC_API_KEY_2'), 'anthropic')).toBe('Anthropic, a key');
  expect(entryWords(key('CLAUDE_CODE_OAUTH_TOKEN'), 'anthropic')).toBe('Anthropic, an account');
  const elsewhere = { kind: 'compatible', baseUrl: 'https://x.example', secret: 'X' } as const;
  expect(entryWords({ ...elsewhere, models: {} }, 'openai')).toBe('the same models');
  expect(entryWords({ ...elsewhere, models: { a: 'b', '*': 'c' } }, 'openai')).toBe('a → b, others → c');
  expect([providerTitle('gemini'), providerTitle('openrouter.ai')]).toEqual(['Google', 'openrouter.ai']);
});
