import type { ForgeAppCredential } from '@capstan/domain';
import type { ForgeInstallation } from '../../forge.port.js';
import { GitHubClient, ownerAndName } from '../client.js';
import { appFailure, appSuspended } from './app-failures.js';
import { appJwt } from './app-jwt.js';
import { APP_PERMISSIONS, missingPermissions } from './permissions-needed.js';

/** How an app speaks to GitHub as itself, for one request. */
export interface AppCalls {
  readonly timeoutMs: number;
  readonly now: () => number;
}

/** A repository's installation as GitHub tells of it. */
export interface Installation {
  readonly id: number;
  readonly permissions: Readonly<Record<string, string>>;
}

/** Makes a request as the app. What GitHub refuses is told as what it means for an app. */
export async function asApp<T>(
  app: ForgeAppCredential,
  { timeoutMs, now }: AppCalls,
  fullName: string | undefined,
  work: (client: GitHubClient) => Promise<T>,
): Promise<T> {
  const nowMs = now();
  try {
    return await work(new GitHubClient(app.apiUrl, appJwt(app, nowMs), { timeoutMs }));
  } catch (error) {
    throw appFailure(error, { app, nowMs, ...(fullName === undefined ? {} : { fullName }) });
  }
}

/** Throws UserError `app_not_installed` or `app_suspended`. */
export async function findInstallation(
  app: ForgeAppCredential,
  calls: AppCalls,
  fullName: string,
): Promise<Installation> {
  const where = ownerAndName(fullName);
  const { data } = await asApp(app, calls, fullName, (client) =>
    client.call(`find the installation of the app ${app.slug} on ${fullName}`, undefined, (rest, request) =>
      rest.apps.getRepoInstallation({ ...where, request }),
    ),
  );
  if (data.suspended_at !== null)
    throw appSuspended({ app, fullName }, `since ${data.suspended_at}, by ${data.suspended_by?.login ?? 'its owner'}`);
  return { id: data.id, permissions: data.permissions as Installation['permissions'] };
}

/** Where the app is installed. */
export async function listInstallations(
  app: ForgeAppCredential,
  calls: AppCalls,
): Promise<readonly ForgeInstallation[]> {
  const found = await asApp(app, calls, undefined, (client) =>
    client.pages(`list the installations of the app ${app.slug}`, undefined, (rest, page) =>
      rest.apps.listInstallations({ ...page }),
    ),
  );
  return found.map((each) => ({
    account: loginOf(each.account),
    allRepositories: each.repository_selection === 'all',
    suspended: each.suspended_at !== null,
    missing: missingPermissions(APP_PERMISSIONS, each.permissions as Installation['permissions']),
    settingsUrl: each.html_url,
  }));
}

/** Of a person or an organisation; an enterprise has a slug only. */
export function loginOf(account: object | null): string {
  const { login, slug } = (account ?? {}) as { readonly login?: string; readonly slug?: string };
  return login ?? slug ?? '';
}
