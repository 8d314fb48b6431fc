import { TransientError, UserError, type ForgeAppCredential } from '@capstan/domain';
import { githubWords, isHttpError, type HttpError } from '../failures.js';

/** Beyond this a clock is wrong, and not just late. ms */
const TOLERATED_SKEW_MS = 30_000;

type App = Pick<ForgeAppCredential, 'slug' | 'secret'>;

/** What went wrong, of a request that an app made as itself. */
export interface AppTrial {
  readonly app: App;
  /** What was asked about, `owner/name`; undefined where it was the app itself. */
  readonly fullName?: string;
  /** This machine's clock when the request was made, Unix ms. */
  readonly nowMs: number;
}

/**
 * Tells what GitHub's refusal of an app means: `app_clock_skewed` (passes), `app_key_refused`, `app_suspended`,
 * `app_not_installed`, `app_permission_missing`. Anything else is as it was.
 */
export function appFailure(error: unknown, trial: AppTrial): unknown {
  if (!(error instanceof UserError) || !isHttpError(error.cause)) return error;
  const said = githubWords(error.cause);
  switch (error.cause.status) {
    case 401:
      return unauthenticated(error.cause, said, trial);
    case 403:
      return /suspended/i.test(said) ? appSuspended(trial, said) : error;
    case 404:
      // A deleted app is told from an app without the repository by GitHub's words alone.
      if (/integration not found/i.test(said)) return keyRefused(trial, said);
      return trial.fullName === undefined ? error : appNotInstalled(trial, said);
    case 422:
      // As is a missing permission from a repository that was taken out of the installation.
      return /permission/i.test(said) ? permissionMissing(trial, [], said) : appNotInstalled(trial, said);
    default:
      return error;
  }
}

function unauthenticated({ response }: HttpError, said: string, trial: AppTrial): Error {
  const theirsMs = Date.parse(String(response?.headers['date'] ?? ''));
  const skewMs = trial.nowMs - theirsMs;
  const isSkewed = Number.isFinite(skewMs) && Math.abs(skewMs) > TOLERATED_SKEW_MS;
  if (!isSkewed && !/'(exp|iat)'/.test(said)) return keyRefused(trial, said);
  const off = isSkewed
    ? ` This machine's clock is ${Math.round(Math.abs(skewMs) / 1_000)} s ${skewMs > 0 ? 'ahead of' : 'behind'} GitHub's.`
    : '';
  return new TransientError(`GitHub refuses the time in the proof of the app ${trial.app.slug}: ${said}.${off}`, {
    code: 'app_clock_skewed',
    retryAfterMs: 60_000,
  });
}

function keyRefused({ app }: AppTrial, said: string): UserError {
  return new UserError(`GitHub refuses the key of the app ${app.slug}: ${said}`, {
    code: 'app_key_refused',
    status: 422,
    field: app.secret,
    remedy: `Generate a private key on the app's page (Settings → Developer settings → GitHub Apps → ${app.slug} → Private keys) and store it as ${app.secret} under Settings → Secrets. If the app was deleted, create a new one.`,
  });
}

export function appNotInstalled(
  { app, fullName = 'this repository' }: Pick<AppTrial, 'app' | 'fullName'>,
  said: string,
) {
  return new UserError(`The GitHub App ${app.slug} is not installed on ${fullName}: ${said}`, {
    code: 'app_not_installed',
    status: 422,
    field: 'fullName',
    remedy: `On GitHub, open the app ${app.slug} → Configure → Repository access, and select ${fullName}; then try again.`,
  });
}

export function appSuspended({ app, fullName }: Pick<AppTrial, 'app' | 'fullName'>, said: string): UserError {
  const owner = fullName?.split('/')[0] ?? 'the account';
  return new UserError(`The installation of the GitHub App ${app.slug} for ${owner} is suspended: ${said}`, {
    code: 'app_suspended',
    status: 422,
    field: 'fullName',
    remedy: `An owner of ${owner} can lift it on GitHub: Settings → Applications → ${app.slug} → Configure → Unsuspend.`,
  });
}

/** @param missing as on the app's page, e.g. `Checks: Read and write`; empty where GitHub doesn't say. */
export function permissionMissing(
  { app, fullName }: Pick<AppTrial, 'app' | 'fullName'>,
  missing: readonly string[],
  said: string,
): UserError {
  const named = missing.length === 0 ? 'the permission that is missing' : missing.join(', ');
  const owner = fullName?.split('/')[0] ?? 'the account';
  return new UserError(`The GitHub App ${app.slug} may not do this in ${fullName ?? 'GitHub'}: ${said}`, {
    code: 'app_permission_missing',
    status: 422,
    field: 'fullName',
    issues: missing.map((message) => ({ field: 'fullName', message })),
    remedy: `On the app's page under Permissions & events, set ${named}; then an owner of ${owner} accepts it: Settings → Applications → ${app.slug} → Review request.`,
  });
}
