import type { IncomingMessage } from 'node:http';
import { ROLE_PERMISSIONS, type Permission } from '@capstan/api';
import { UserError } from '@capstan/domain';
import type { Database } from '@capstan/database';
import type { GatewayConfig } from '../gateway.config.js';
import type { Caller } from '../http/ask.js';
import { isLocal } from '../http/origin.js';
import { sessionCookie, setSessionCookie } from './cookie.js';
import { callerOfSession, callerOfToken, firstUser } from './sessions.js';
import { sameToken } from './token.js';

export const ACCESS_TOKEN_PREFIX = 'capstan_';

/** Finds out who asks. */
export class Authenticator {
  constructor(
    private readonly database: Database,
    private readonly config: GatewayConfig,
  ) {}

  /**
   * By a bearer token, else by the session's cookie.
   * @returns null for nobody; `setCookie` when the session was prolonged.
   */
  async whoAsks(
    request: IncomingMessage,
    handshakeToken?: string,
  ): Promise<{ readonly caller: Caller; readonly setCookie: string | null } | null> {
    const bearer = handshakeToken ?? bearerOf(request.headers.authorization);
    if (bearer !== null) {
      const caller = await this.byToken(request, bearer);
      return caller === null ? null : { caller, setCookie: null };
    }
    const value = sessionCookie(request.headers.cookie);
    const found = value === null ? null : await callerOfSession(this.database, value);
    if (value === null || found === null) return null;
    return { caller: found.caller, setCookie: found.slid ? setSessionCookie(request, value) : null };
  }

  private async byToken(request: IncomingMessage, bearer: string): Promise<Caller | null> {
    const cliToken = isLocal(request) ? this.config.cliToken : null;
    if (cliToken !== null && sameToken(cliToken, bearer)) {
      const caller = await firstUser(this.database);
      if (caller !== null) return caller;
      throw new UserError('Capstan is not set up yet', {
        code: 'set_up_needed',
        status: 401,
      });
    }
    return bearer.startsWith(ACCESS_TOKEN_PREFIX) ? callerOfToken(this.database, bearer) : null;
  }
}

/** @throws UserError 401 for nobody, 403 for somebody whose role doesn't have the permission. */
export function assertPermission(caller: Caller | null, permission: Permission): void {
  if (permission === 'public') return;
  if (caller === null)
    throw new UserError('Nobody is signed in', {
      code: 'not_signed_in',
      status: 401,
      remedy: 'Sign in, or send an access token as Authorization: Bearer capstan_…',
    });
  if (!ROLE_PERMISSIONS[caller.role].includes(permission))
    throw new UserError(`Your role (${caller.role}) lacks the permission ${permission}`, {
      code: 'forbidden',
      status: 403,
      remedy: 'Ask an admin of the workspace.',
    });
}

function bearerOf(header: string | undefined): string | null {
  return /^Bearer +([\w.~+/=-]{1,300})$/i.exec(header ?? '')?.[1] ?? null;
}
