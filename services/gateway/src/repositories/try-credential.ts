import type { z } from 'zod';
import type { RepositoryAccess } from '@capstan/api';
import { UserError } from '@capstan/domain';
import { forge, type ForgeAccess, type ForgeRepository, type ForgeUses } from '@capstan/forges';

export interface Trial {
  readonly forge: string;
  readonly fullName: string;
  readonly apiUrl: string;
  readonly token: string;
}

/** Which field of the request a refusal of the forge is about. */
const FIELDS: Readonly<Record<string, string>> = {
  credential_refused: 'token',
  permission_missing: 'token',
  remote_not_found: 'fullName',
};

/**
 * Looks a repository up with a token and tests what the token may do there. What no call shows stands in nobody's way.
 * @throws UserError 422 with the field when a permission is missing without which no task gets anywhere, TransientError
 * while the forge can't be asked.
 */
export async function tryCredential(trial: Trial, uses: ForgeUses): Promise<ForgeRepository> {
  const { found, access } = await testAccess(trial, uses);
  const missing = access.permissions.filter(({ state, required }) => required && state === 'missing');
  if (missing.length > 0)
    throw new UserError(
      `The token lacks ${missing.map(({ permission }) => permission).join(', ')} for ${found.fullName}`,
      {
        code: 'permission_missing',
        status: 422,
        field: 'token',
        issues: missing.map(({ permission, words }) => ({
          field: 'token',
          message: `It lacks ${permission}: ${words}`,
        })),
        remedy: missing[0]!.remedy ?? 'Give it to the token, then try again.',
      },
    );
  if (found.canPush) return found;
  throw new UserError(`The token's owner may read ${found.fullName} but not push to it`, {
    code: 'permission_missing',
    status: 422,
    field: 'token',
    issues: [{ field: 'token', message: 'may not push' }],
    remedy: 'Give the account the role Write in the repository.',
  });
}

/** What a token may do in a repository, as clients are told. Throws as {@link testAccess}. */
export async function accessOf(trial: Trial, uses: ForgeUses): Promise<z.infer<typeof RepositoryAccess>> {
  const { found, access } = await testAccess(trial, uses);
  const { tokenKind, permissions } = access;
  return { fullName: found.fullName, private: found.private, tokenKind, permissions: [...permissions] };
}

/** @throws UserError 422 with the field, TransientError while the forge can't be asked. */
async function testAccess(
  trial: Trial,
  uses: ForgeUses,
): Promise<{ readonly found: ForgeRepository; readonly access: ForgeAccess }> {
  const { fullName, apiUrl, token } = trial;
  const connection = { fullName, apiUrl, token, cloneUrl: '' };
  try {
    const found = await forge(trial.forge).repository(connection);
    assertCloneUrl(found.cloneUrl);
    const { cloneUrl } = found;
    const access = await forge(trial.forge).checkAccess({ ...connection, fullName: found.fullName, cloneUrl }, uses);
    return { found, access };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw aboutField(error, trial);
  }
}

function aboutField(error: UserError, { fullName, token }: Trial): UserError {
  const { code, message, issues } = error;
  const field = error.field === 'apiUrl' ? error.field : (FIELDS[code] ?? error.field ?? 'fullName');
  const remedy = code === 'remote_not_found' && token.startsWith('github_pat_') ? hiddenRemedy(fullName) : error.remedy;
  return new UserError(message, {
    code,
    status: 422,
    field,
    issues: issues.length > 0 ? issues : [{ field, message }],
    ...(remedy === undefined ? {} : { remedy }),
    cause: error,
  });
}

/** The four ways in which a fine-grained token comes to see nothing of a private repository. */
function hiddenRemedy(fullName: string): string {
  const [owner] = fullName.split('/');
  return `Check the name. GitHub hides what a token may not see: its resource owner has to be ${owner}, ${fullName} has to be chosen under Repository access, and where ${owner} is an organisation that approves tokens, an owner has to approve it; until then GitHub says that it is pending.`;
}

/**
 * Whoever names the API names what it answers. An address of another sort would have Capstan and its pods read files of
 * this machine, which other workspaces' repositories are among, or hold a password of its own.
 */
export function assertCloneUrl(cloneUrl: string): void {
  const url = URL.canParse(cloneUrl) ? new URL(cloneUrl) : null;
  if (url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') return;
  throw new UserError('The forge names an address to clone from that is not plain http or https', {
    code: 'address_invalid',
    field: 'apiUrl',
    remedy: 'Check the address of the API.',
  });
}
