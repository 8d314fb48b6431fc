import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { UserError, type Id } from '@capstan/domain';

/** As long as GitHub's code is good. ms */
const GOOD_FOR_MS = 60 * 60_000;

const ManifestSchema = z.strictObject({
  /** Of the row that the app becomes: the address of its deliveries is known before it. */
  id: z.uuid(),
  workspaceId: z.uuid(),
  userId: z.uuid(),
  forge: z.string(),
  apiUrl: z.string(),
  organization: z.string().nullable(),
  /** Unix ms. */
  until: z.number(),
});
/** What somebody began to register, and who. */
export type Manifest = z.infer<typeof ManifestSchema>;

/** Seals what was begun into the state that goes to the forge and comes back: nothing is stored meanwhile. */
export function stateOf(encryptionKey: string, manifest: Omit<Manifest, 'until'>, nowMs: number): string {
  const text = Buffer.from(JSON.stringify({ ...manifest, until: nowMs + GOOD_FOR_MS })).toString('base64url');
  return `${text}.${sealOf(encryptionKey, text)}`;
}

/**
 * What the state was sealed with. @throws UserError 422 `app_code_refused` for one that is forged, too old or somebody
 * else's: a stranger's link must not bring a stranger's app into the workspace.
 */
export function readState(
  encryptionKey: string,
  state: string,
  caller: { readonly workspaceId: Id; readonly userId: Id },
  nowMs: number,
): Manifest {
  const [text = '', seal = ''] = state.split('.');
  const [given, own] = [Buffer.from(seal), Buffer.from(sealOf(encryptionKey, text))];
  if (given.length !== own.length || !timingSafeEqual(given, own)) throw refused('it was not begun here');
  const manifest = ManifestSchema.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')));
  if (manifest.workspaceId !== caller.workspaceId || manifest.userId !== caller.userId)
    throw refused('somebody else began it');
  if (manifest.until < nowMs) throw refused('it was begun more than an hour ago');
  return manifest;
}

function refused(why: string): UserError {
  return new UserError(`The app is not taken over: ${why}`, { code: 'app_code_refused', status: 422, field: 'state' });
}

function sealOf(encryptionKey: string, text: string): string {
  const raw = Buffer.from(encryptionKey, 'base64');
  const key = Buffer.from(hkdfSync('sha256', raw, Buffer.alloc(0), 'capstan forge app manifests v1', 32));
  return createHmac('sha256', key).update(text).digest('base64url');
}
