import { UserError } from '@capstan/domain';
import { forge, type ForgeRepository } from '@capstan/forges';

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
 * Looks a repository up with a token.
 * @throws UserError 422 with the field, TransientError while the forge can't be asked.
 */
export async function tryCredential(trial: Trial): Promise<ForgeRepository> {
  const { fullName, apiUrl, token } = trial;
  try {
    const found = await forge(trial.forge).repository({ fullName, apiUrl, token, cloneUrl: '' });
    assertCloneUrl(found.cloneUrl);
    if (found.canPush) return found;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { code, message, remedy, issues } = error;
    const field = error.field === 'apiUrl' ? error.field : (FIELDS[code] ?? error.field ?? 'fullName');
    throw new UserError(message, {
      code,
      status: 422,
      field,
      issues: issues.length > 0 ? issues : [{ field, message }],
      ...(remedy === undefined ? {} : { remedy }),
      cause: error,
    });
  }
  throw new UserError(`The token may read ${fullName} but not push to it`, {
    code: 'permission_missing',
    status: 422,
    field: 'token',
    issues: [{ field: 'token', message: 'may not push' }],
    remedy: 'Give the token write access to contents and pull requests, and to issues for reporting back.',
  });
}

/**
 * Whoever names the API names what it answers. An address of another sort would have Capstan and its pods read files of
 * this machine, which other workspaces' repositories are among, or hold a password of its own.
 */
function assertCloneUrl(cloneUrl: string): void {
  const url = URL.canParse(cloneUrl) ? new URL(cloneUrl) : null;
  if (url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') return;
  throw new UserError('The forge names an address to clone from that is not plain http or https', {
    code: 'address_invalid',
    field: 'apiUrl',
    remedy: 'Check the address of the API.',
  });
}
