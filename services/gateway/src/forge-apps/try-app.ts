import { UserError, type ForgeAppCredential } from '@capstan/domain';
import type { RepositoryAccess } from '@capstan/api';
import { forge, type ForgeRepository } from '@capstan/forges';
import type { z } from 'zod';
import { assertCloneUrl } from '../repositories/try-credential.js';

interface Wish {
  readonly forge: string;
  readonly fullName: string;
  readonly apiUrl: string;
}

/**
 * Looks a repository up as an app that is installed there and may do all that Capstan needs.
 * @throws UserError 422 with the field and what to do at the forge, TransientError while the forge can't be asked.
 */
export async function tryApp(
  app: ForgeAppCredential,
  { forge: name, fullName, apiUrl }: Wish,
): Promise<ForgeRepository> {
  const adapter = forge(name);
  try {
    const token = await adapter.token({ fullName, apiUrl, credential: app }, 'look');
    await adapter.apps.assertReady(app, fullName);
    const found = await adapter.repository({ fullName, apiUrl, cloneUrl: '', token });
    assertCloneUrl(found.cloneUrl);
    return found;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const field = error.field === 'apiUrl' ? 'apiUrl' : 'fullName';
    throw new UserError(error.message, {
      code: error.code,
      status: 422,
      field,
      issues: error.issues.length > 0 ? error.issues : [{ field, message: error.message }],
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
      cause: error,
    });
  }
}

/** What an app may do in a repository: all that is needed, or it throws as {@link tryApp}. */
export async function appAccessOf(app: ForgeAppCredential, wish: Wish): Promise<z.infer<typeof RepositoryAccess>> {
  const found = await tryApp(app, wish);
  const has = { neededFor: `Capstan, as the app ${app.slug}`, required: true, grantable: true, state: 'ok' } as const;
  const permissions = forge(wish.forge).apps.needs.map((permission) => ({
    ...has,
    permission,
    words: null,
    remedy: null,
  }));
  return { fullName: found.fullName, private: found.private, tokenKind: 'other', permissions };
}
