import type { IncomingHttpHeaders } from 'node:http';
import type { Refusal } from '../server/refusal.js';

/** What an answer of the forge is to the pod. */
export type ForgeAnswer =
  | { readonly kind: 'pass' }
  /** The repository has another address at the same forge. */
  | { readonly kind: 'moved'; readonly to: URL }
  | { readonly kind: 'refuse'; readonly refusal: Refusal };

/** The door may have been told to come again; git itself asks once and gives up. Seconds. */
const AGAIN_S = 10;

/**
 * Git prints what refuses it, and Capstan's own fetch tells by the status whether to come again: 403 and 404 are final,
 * 503 passes.
 */
export function decideAnswer(asked: URL, status: number, headers: IncomingHttpHeaders): ForgeAnswer {
  if (status >= 200 && status < 300) return { kind: 'pass' };
  const { location } = headers;
  if (status >= 300 && status < 400) return moved(asked, location);
  const limited = status === 429 || headers['retry-after'] !== undefined;
  if (!limited && (status === 401 || status === 403)) return refuse(403, 'forge_refused', REFUSED);
  if (!limited && (status === 404 || status === 410)) return refuse(404, 'forge_refused', UNKNOWN);
  return refuse(503, 'unreachable', `the forge answers ${status}. That passes: it is asked again.`, AGAIN_S);
}

function moved(asked: URL, location: string | undefined): ForgeAnswer {
  const to = location !== undefined && URL.canParse(location, asked.href) ? new URL(location, asked) : null;
  // The credential goes along: to where it was meant for, and nowhere else.
  const same = to !== null && to.origin === asked.origin && to.pathname.endsWith('/info/refs');
  if (same && asked.pathname.endsWith('/info/refs')) return { kind: 'moved', to };
  const where = to === null ? 'elsewhere' : `to ${to.origin}${to.pathname}`;
  return refuse(404, 'forge_refused', `the forge sends the repository ${where}. Set its address anew in Capstan.`);
}

function refuse(status: number, reason: Refusal['reason'], words: string, retryAfter?: number): ForgeAnswer {
  return { kind: 'refuse', refusal: { status, reason, words, ...(retryAfter !== undefined && { retryAfter }) } };
}

const REFUSED =
  "the forge refuses the repository's credential. It needs to read contents (GitHub: Contents: Read-only); Settings → Secrets says what is wrong with it.";
const UNKNOWN =
  "the forge knows no such repository, or the repository's credential may not see it (GitHub: Repository access).";
