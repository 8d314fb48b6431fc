export interface CleanedText {
  readonly text: string;
  /** HTML comments removed, an unterminated one included. */
  readonly comments: number;
  /** Invisible characters removed outside of comments. */
  readonly characters: number;
}

/**
 * Characters that a reader doesn't see and a model does: controls other than tab and line ends, soft hyphen and other
 * zero-width characters, fillers that draw nothing, bidirectional controls, variation selectors, the Unicode tag block
 * and interlinear annotations.
 */
const INVISIBLE =
  '\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F' + // controls
  '\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F' + // zero width, fillers, Mongolian selectors
  '\\u200B-\\u200F\\u202A-\\u202E\\u2060-\\u206F\\u3164' + // zero width and bidirectional
  '\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF9-\\uFFFB' + // selectors, byte order mark, annotations
  '\\u{E0000}-\\u{E0FFF}'; // tags and supplementary selectors

/**
 * Two exceptions keep emoji whole: a zero-width joiner between two pictographs, and the emoji presentation selector
 * right after a character that can be an emoji.
 */
const KEPT =
  '(?<=\\p{Extended_Pictographic}[\\uFE0F\\p{Emoji_Modifier}]?)\\u200D(?=\\p{Extended_Pictographic})|(?<=\\p{Emoji})\\uFE0F';

const HIDDEN = new RegExp(`(${KEPT})|[${INVISIBLE}]`, 'gu');

/**
 * Removes what a person reading a ticket would not have seen: HTML comments and invisible characters. An unterminated
 * comment goes to the end of the text, as a browser would hide it. It doesn't read Markdown, so comments inside code
 * samples go too. Idempotent; linear in the length of the text.
 */
export function cleanHiddenText(text: string): CleanedText {
  let characters = 0;
  const visible = text.replace(HIDDEN, (hidden, kept: string | undefined) => {
    if (kept !== undefined) return hidden;
    characters += 1;
    return '';
  });
  return { ...withoutComments(visible), characters };
}

const OPEN = '<!--';
const CLOSE = '-->';

/** One pass with a stack: text that grows together when a comment goes may open the next one, and is seen too. */
function withoutComments(text: string): { text: string; comments: number } {
  if (!text.includes(OPEN)) return { text, comments: 0 };
  const out: string[] = [];
  let comments = 0;
  for (let at = 0; at < text.length; at += 1) {
    out.push(text[at]!);
    if (!endsWithOpen(out)) continue;
    comments += 1;
    out.length -= OPEN.length;
    const close = text.indexOf(CLOSE, at + 1);
    if (close === -1) break;
    at = close + CLOSE.length - 1;
  }
  return { text: out.join(''), comments };
}

function endsWithOpen(out: readonly string[]): boolean {
  const end = out.length;
  return out[end - 1] === '-' && out[end - 2] === '-' && out[end - 3] === '!' && out[end - 4] === '<';
}
