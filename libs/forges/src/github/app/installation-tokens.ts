import { createHash } from 'node:crypto';
import { UserError, type ForgeAppCredential, type ForgePurpose } from '@capstan/domain';
import { ownerAndName } from '../client.js';
import { permissionMissing } from './app-failures.js';
import { asApp, findInstallation, type AppCalls } from './installation.js';
import { missingPermissions, permissionsFor } from './permissions-needed.js';

/** A token is not used in its last minutes: what is begun with it has to end with it. ms */
const SPARE_MS = 5 * 60_000;
/** So many repositories times purposes; the oldest goes first. */
const KEPT = 2_000;

interface Kept {
  readonly token: string;
  /** The app and the repository: what one of their tokens is refused for, all are. */
  readonly of: string;
  readonly until: number;
}

/**
 * Tokens of installations, each good for one repository and for what one purpose needs. They are made when they are
 * asked for, by one request however many ask, used until five minutes before they expire, and kept in memory only.
 */
export class InstallationTokens {
  private readonly kept = new Map<string, Kept>();
  private readonly underWay = new Map<string, Promise<string>>();

  constructor(private readonly calls: AppCalls) {}

  /**
   * Throws UserError `app_not_installed`, `app_suspended`, `app_permission_missing`, `app_key_refused`, and
   * TransientError `app_clock_skewed` besides those of any request.
   */
  token(app: ForgeAppCredential, fullName: string, purpose: ForgePurpose): Promise<string> {
    // The key is part of it: nobody gets a token who could not have made it.
    const of = digest([app.apiUrl, String(app.appId), app.privateKey, fullName.toLowerCase()]);
    const key = `${of} ${purpose}`;
    const known = this.kept.get(key);
    if (known !== undefined && this.calls.now() < known.until) return Promise.resolve(known.token);
    const asked = this.underWay.get(key);
    if (asked !== undefined) return asked;
    const making = this.make(app, fullName, purpose)
      .then((made) => this.keep(key, { ...made, of }))
      .finally(() => this.underWay.delete(key));
    this.underWay.set(key, making);
    return making;
  }

  /** The forge refused it before its time: whoever asks next for this repository gets another, for any purpose. */
  forget(token: string): void {
    const refused = [...this.kept.values()].find((each) => each.token === token);
    for (const [key, { of }] of this.kept) if (of === refused?.of) this.kept.delete(key);
  }

  private keep(key: string, made: Kept): string {
    this.kept.delete(key);
    this.kept.set(key, made);
    const [oldest] = this.kept.keys();
    if (this.kept.size > KEPT && oldest !== undefined) this.kept.delete(oldest);
    return made.token;
  }

  private async make(app: ForgeAppCredential, fullName: string, purpose: ForgePurpose): Promise<Omit<Kept, 'of'>> {
    const { id, permissions: granted } = await findInstallation(app, this.calls, fullName);
    const permissions = permissionsFor(purpose, granted);
    const missing = missingPermissions(permissions, granted);
    if (missing.length > 0)
      throw permissionMissing({ app, fullName }, missing, `the installation lacks ${missing.join(', ')}`);
    const { repo } = ownerAndName(fullName);
    const { data } = await asApp(app, this.calls, fullName, (client) =>
      client.call(`make a token of the app ${app.slug} for ${fullName}`, undefined, (rest, request) =>
        rest.apps.createInstallationAccessToken({ installation_id: id, repositories: [repo], permissions, request }),
      ),
    );
    return { token: data.token, until: Date.parse(data.expires_at) - SPARE_MS };
  }
}

/** The app's key is shown to the forge that the app was registered at, and to no other. */
export function assertOwnForge(app: ForgeAppCredential, apiUrl: string): void {
  if (app.apiUrl.replace(/\/+$/, '') === apiUrl.replace(/\/+$/, '')) return;
  throw new UserError(`The GitHub App ${app.slug} was registered at ${app.apiUrl}, not at ${apiUrl}`, {
    code: 'app_not_installed',
    status: 422,
    field: 'apiUrl',
    remedy: `Create an app at ${apiUrl}, or use a token for this repository.`,
  });
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
