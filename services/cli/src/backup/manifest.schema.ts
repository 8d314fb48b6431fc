import type { CopiedDatabase } from '@capstan/database';
import { UserError } from '@capstan/domain';
import { z } from 'zod';

/** Raised when an older Capstan could no longer read what is written. */
export const FORMAT = 1;

const Hash = z.string().regex(/^[0-9a-f]{64}$/);

const ManifestSchema = z.object({
  product: z.literal('capstan'),
  format: z.literal(FORMAT),
  createdAt: z.iso.datetime(),
  /** Whether secrets.json is in it; SHA-256 of it. */
  keys: z.object({ sha256: Hash }).nullable(),
  serverVersion: z.number().int(),
  migrations: z.array(z.string()).min(1),
  tables: z.array(
    z.object({
      name: z.string().regex(/^[a-z][a-z_]*$/),
      columns: z.array(z.string()).min(1),
      rows: z.number().int().min(0),
      bytes: z.number().int().min(0),
      sha256: Hash,
    }),
  ),
});
/** What a backup says of itself: the first member of its archive. */
export type Manifest = Omit<z.infer<typeof ManifestSchema>, keyof CopiedDatabase> & CopiedDatabase;

/** @throws UserError `backup_newer`, `backup_damaged` */
export function parseManifest(text: string): Manifest {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw damaged('its manifest is no JSON', error);
  }
  const { success, data } = z.object({ product: z.literal('capstan'), format: z.number().int() }).safeParse(raw);
  if (success && data.format > FORMAT)
    throw new UserError(`The backup has format ${data.format}, and this Capstan reads ${FORMAT}`, {
      code: 'backup_newer',
    });
  const parsed = ManifestSchema.safeParse(raw);
  if (!parsed.success) throw damaged(`its manifest is not understood: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

export function damaged(reason: string, cause?: unknown): UserError {
  return new UserError(`The backup is damaged: ${reason}`, { code: 'backup_damaged', cause });
}
