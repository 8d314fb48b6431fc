import { listPrice } from './list-price.js';

const tokens = { input: 100_000, output: 10_000, cacheRead: 40_000, cacheWrite: 0 };

it.each([
  ['openai', 'gpt-5.5', tokens, 0.82],
  ['openai', 'gpt-5.5', { ...tokens, input: 272_000 }, undefined],
  ['openai', 'gpt-5.5', { ...tokens, cacheWrite: 1 }, undefined],
  ['openai', 'gpt-9', tokens, undefined],
  ['gemini', 'gemini-2.5-pro', tokens, 0.23],
  ['gemini', 'gemini-2.5-pro', { ...tokens, input: 200_000 }, undefined],
  ['gemini', 'toString', tokens, undefined],
  ['anthropic', 'claude-opus-4-5', tokens, undefined],
])('a call to %s %s costs what its list says, or nobody knows', (provider, model, used, cost) => {
  const priced = listPrice(provider, model, used);
  if (cost === undefined) expect(priced).toBeUndefined();
  else expect(priced).toBeCloseTo(cost, 9);
});
