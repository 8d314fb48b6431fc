import { randomBytes } from 'node:crypto';
import { uuidv7, type Id } from '@capstan/domain';

/** A new UUIDv7. */
export function newId(): Id {
  return uuidv7(Date.now(), randomBytes(10));
}
