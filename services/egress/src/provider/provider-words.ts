import { cleanHiddenText } from '@capstan/agents';
import { redactText } from '@capstan/service-kit';

const MAX_LENGTH = 300;
/** What is read of words that are much longer. */
const MAX_READ = 4_000;
const HIDDEN = '***';
/** So many characters of a secret in a row are part of it. */
const PIECE = 8;

/**
 * A provider's words for people: one line, at most 300 characters, nothing invisible, and no piece of the secret in any
 * form that it might be echoed in. Null where nothing is left.
 */
export function cleanWords(words: string, secret: string): string | null {
  const { text } = cleanHiddenText(words.slice(0, MAX_READ));
  const line = text
    .replace(/\p{Surrogate}/gu, '')
    .replace(/\s+/g, ' ')
    .trim();
  const safe = redactText(withoutPieces(line, secret))
    // Keys that a provider has masked itself still show their ends.
    .replace(/[\w-]*\*{2,}[\w*-]*/g, HIDDEN);
  const shown = [...safe];
  if (shown.length === 0) return null;
  return shown.length > MAX_LENGTH ? `${shown.slice(0, MAX_LENGTH - 1).join('')}…` : safe;
}

function withoutPieces(text: string, secret: string): string {
  const lower = text.toLowerCase();
  const covered = new Uint8Array(text.length);
  for (const form of formsOf(secret)) {
    const size = Math.min(PIECE, form.length);
    const pieces = new Set<string>();
    for (let at = 0; at + size <= form.length; at += 1) pieces.add(form.slice(at, at + size));
    for (let at = 0; at + size <= lower.length; at += 1)
      if (pieces.has(lower.slice(at, at + size))) covered.fill(1, at, at + size);
  }
  let out = '';
  for (let at = 0; at < text.length; at += 1) {
    if (covered[at] === 0) out += text[at];
    else if (covered[at - 1] !== 1) out += HIDDEN;
  }
  return out;
}

/** A secret as it is, and as programs write it; in lower case. */
function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const forms = [
    secret,
    encodeURIComponent(secret.replace(/\p{Surrogate}/gu, '')),
    bytes.toString('base64'),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    [...secret].reverse().join(''),
  ];
  return [...new Set(forms.map((form) => form.toLowerCase()))].filter((form) => form !== '');
}
