import fc from 'fast-check';
import { cleanWords } from './provider-words.js';

const KEY = 'sk-proj-Zx81mQpLw93KvTnR';

it.each([
  ['Bad credentials', 'Bad credentials'],
  ['', null],
  [' \n\t ', null],
  [`Incorrect API key provided: ${KEY}.`, 'Incorrect API key provided: ***.'],
  ['Incorrect API key provided: sk-proj-****vTnR. See https://x', 'Incorrect API key provided: ***. See https://x'],
  [`key=${Buffer.from(KEY).toString('base64')}`, 'key=***'],
  [`key ${[...KEY].reverse().join('')}!`, 'key ***!'],
  // Invisible characters between those of the key don't hide it.
  [`key ${[...KEY].join('\u200B')}`, 'key ***'],
  ['two\r\nlines\u0000 \u202Eand <!-- more -->', 'two lines and'],
  ['GitHub hides what a token may not see', 'GitHub hides what a token may not see'],
])('%j becomes %j', (words, shown) => {
  expect(cleanWords(words, KEY)).toBe(shown);
});

it('is bounded and holds no eight characters of a secret, wherever and however it is echoed', () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9_-]{8,60}$/);
  const echo = fc.constantFrom(
    (key: string) => key,
    (key: string) => key.toUpperCase(),
    (key: string) => Buffer.from(key).toString('hex'),
    (key: string) => key.slice(0, 12),
  );
  fc.assert(
    fc.property(secret, fc.string(), echo, fc.string({ maxLength: 500 }), (key, before, as, after) => {
      const echoed = as(key);
      const words = cleanWords(`${before} ${echoed} ${after}`, key) ?? '';
      expect([...words].length).toBeLessThanOrEqual(300);
      const lower = words.toLowerCase();
      for (let at = 0; at + 8 <= key.length; at += 1) expect(lower).not.toContain(key.slice(at, at + 8).toLowerCase());
    }),
  );
});
