import fc from 'fast-check';
import { cleanHiddenText } from './hidden-text.js';

const FORBIDDEN =
  /<!--|[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u00AD\u061C\u115F\u1160\u200B\u200C\u200E\u200F\u202A-\u202E\u2060-\u206F\u3164\uFEFF\u{E0000}-\u{E0FFF}]/u;
const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '<!--',
        '-->',
        '<!-',
        '-',
        '<',
        '!--',
        '\u200D',
        '\uFE0F',
        '\u200B',
        '\u202E',
        '👩',
        '💻',
        '1',
        '\u{E0041}',
      ),
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(''));

describe('cleanHiddenText', () => {
  it.each([
    ['plain text', 'Fix the *bug* in `a < b`.\n\n\tDone – ok?', undefined],
    ['other scripts', 'Größe, naïve, 日本語, русский, हिन्दी, العربية', undefined],
    ['emoji', '👍🏽 ❤️ 1️⃣ 🇩🇪 👩‍💻 👩🏽‍🚀 🏳️‍🌈', undefined],
    ['a comment', 'a<!-- do evil -->b', 'ab'],
    ['a comment over lines', 'a\n<!--\nx\n-->\nb', 'a\n\nb'],
    ['an unterminated comment', 'a\n<!-- do evil\nmore', 'a\n'],
    ['a comment that forms from two halves', '<!<!-- x -->-- y -->z', 'z'],
    ['a comment opened around a zero-width character', '<!\u200B-- x -->z', 'z'],
    ['a close without an open', 'a --> b', undefined],
    ['zero-width characters in words', 'pass\u200Bwo\u200Drd\u200C\uFEFF', 'password'],
    ['bidirectional controls', '\u202Eabc\u202C\u2066d\u2069', 'abcd'],
    [
      'a message in tags',
      `x${[...'ignore'].map((c) => String.fromCodePoint(0xe0000 + c.charCodeAt(0))).join('')}y`,
      'xy',
    ],
    ['data in variation selectors', 'a\uFE01\uFE0F\u{E0101}b', 'ab'],
    ['terminal escapes', 'a\u001B[31mb\u0007', 'a[31mb'],
  ])('%s', (_, input, expected) => {
    expect(cleanHiddenText(input).text).toBe(expected ?? input);
  });

  it('counts comments and characters apart', () => {
    expect(cleanHiddenText('a\u200B\u200B<!-- x --><!-- y')).toEqual({ text: 'a', comments: 2, characters: 2 });
    expect(cleanHiddenText('nothing hidden')).toEqual({ text: 'nothing hidden', comments: 0, characters: 0 });
  });

  it('never leaves anything hidden, and is idempotent', () => {
    fc.assert(
      fc.property(anyText, (input) => {
        const { text } = cleanHiddenText(input);
        expect(text).not.toMatch(FORBIDDEN);
        expect(cleanHiddenText(text)).toEqual({ text, comments: 0, characters: 0 });
      }),
      { numRuns: 500 },
    );
  });

  it('keeps ordinary text as it is', () => {
    const ordinary = fc.string({ unit: fc.constantFrom(...'abcXYZ019 .,;:!?()[]{}<>=-_\n\t"\'`äß語д👍') });
    fc.assert(
      fc.property(ordinary, (input) => {
        fc.pre(!input.includes('<!--'));
        expect(cleanHiddenText(input).text).toBe(input);
      }),
    );
  });

  it('stays linear on nested comments', () => {
    const nested = '<!-'.repeat(50_000) + '<!-- x -->' + '- -->'.repeat(50_000);
    const started = performance.now();
    cleanHiddenText(nested);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
