import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { Id } from '@capstan/domain';

const FORM = /^cap_run_([0-9a-f]{32})_([A-Za-z0-9_-]{32})$/;
const LABEL = 'capstan run tokens v1';
/** Of the HMAC, bytes. */
const PROOF_BYTES = 24;

/**
 * What an agent shows egress to say which run it is: `cap_run_<run id without hyphens>_<proof>`. The same for the whole
 * life of the run, and good for nothing after it: whether the run goes on is looked up at each use. Made from
 * CAPSTAN_ENCRYPTION_KEY, so that nothing is stored and whoever doesn't have the key can't make one for another run.
 */
export function runToken(encryptionKey: string, runId: Id): string {
  const hex = runId.replaceAll('-', '').toLowerCase();
  return `cap_run_${hex}_${proof(encryptionKey, hex).toString('base64url')}`;
}

/** The run that a token names; null for what is none, or was made with another key. Compares in constant time. */
export function readRunToken(encryptionKey: string, text: string): Id | null {
  const [, hex, given] = FORM.exec(text) ?? [];
  if (hex === undefined || given === undefined) return null;
  if (!timingSafeEqual(Buffer.from(given, 'base64url'), proof(encryptionKey, hex))) return null;
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function proof(encryptionKey: string, hex: string): Buffer {
  const key = Buffer.from(hkdfSync('sha256', Buffer.from(encryptionKey, 'base64'), Buffer.alloc(0), LABEL, 32));
  return createHmac('sha256', key).update(hex).digest().subarray(0, PROOF_BYTES);
}
