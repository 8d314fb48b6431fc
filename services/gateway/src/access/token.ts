import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** What is kept of a token: enough to know it again, too little to use it. */
export function hashOf(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest();
}

/** 256 random bits. */
export function newToken(prefix = ''): string {
  return `${prefix}${randomBytes(32).toString('base64url')}`;
}

/** Compares in constant time, whatever the lengths. */
export function sameToken(one: string, other: string): boolean {
  return timingSafeEqual(hashOf(one), hashOf(other));
}
