import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Id } from '@capstan/domain';
import { z } from 'zod';

/** Where an object of LFS lies, with what opens it: it stays outside of pods, sealed in the address that they get. */
export interface LfsPlace {
  readonly runId: Id;
  /** Of the repository whose batch told it. */
  readonly path: string;
  readonly href: string;
  readonly header: Readonly<Record<string, string>>;
}

const PLACE = z.object({
  runId: z.string(),
  path: z.string(),
  href: z.string(),
  header: z.record(z.string(), z.string()),
});
const LABEL = 'capstan lfs tickets v1';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Seals places with a key of CAPSTAN_ENCRYPTION_KEY's, so that any replica opens what another has sealed. */
export class LfsTickets {
  private readonly key: Buffer;

  constructor(encryptionKey: string) {
    const bytes = Buffer.from(encryptionKey, 'base64');
    this.key = Buffer.from(hkdfSync('sha256', bytes, Buffer.alloc(0), LABEL, 32));
  }

  seal(place: LfsPlace): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce);
    const sealed = Buffer.concat([cipher.update(JSON.stringify(place), 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url');
  }

  /** Null for what none of Capstan's replicas sealed. */
  open(ticket: string): LfsPlace | null {
    const bytes = Buffer.from(ticket, 'base64url');
    if (bytes.length <= NONCE_BYTES + TAG_BYTES) return null;
    const decipher = createDecipheriv('aes-256-gcm', this.key, bytes.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    try {
      const opened = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
      return PLACE.parse(JSON.parse(opened.toString('utf8')));
    } catch {
      return null; // forged, or of another key: to the pod it is the same
    }
  }
}
