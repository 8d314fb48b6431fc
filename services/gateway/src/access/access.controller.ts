import { Controller, Inject } from '@nestjs/common';
import { routes } from '@capstan/api';
import { UserError } from '@capstan/domain';
import { Database } from '@capstan/database';
import { CONFIG } from '@capstan/service-kit';
import type { GatewayConfig } from '../gateway.config.js';
import { Reply, type AnswerOf, type AskOf } from '../http/ask.js';
import { isLocal } from '../http/origin.js';
import { Serves } from '../http/serves.js';
import { Live } from '../live/live.js';
import { audit } from './audit.js';
import { ACCESS_TOKEN_PREFIX } from './authenticator.js';
import { clearSessionCookie, setSessionCookie } from './cookie.js';
import { readMe } from './me.reader.js';
import { isSetUpNeeded, setUp } from './set-up.js';
import { createAccessToken, createLink, redeemLink, signIn, type AccessTokenRow, type SignedIn } from './sign-in.js';
import { newToken } from './token.js';

@Controller()
export class AccessController {
  constructor(
    private readonly database: Database,
    @Inject(CONFIG) private readonly config: GatewayConfig,
    private readonly live: Live,
  ) {}

  @Serves(routes.setUpStatus)
  async setUpStatus(_ask: AskOf<typeof routes.setUpStatus>) {
    return { needed: await isSetUpNeeded(this.database) };
  }

  @Serves(routes.setUp)
  async setUp(ask: AskOf<typeof routes.setUp>): Promise<Reply<AnswerOf<typeof routes.setUp>>> {
    return entered(ask, await setUp(this.database, this.config.setUpToken, ask.body));
  }

  @Serves(routes.signIn)
  async signIn(ask: AskOf<typeof routes.signIn>): Promise<Reply<AnswerOf<typeof routes.signIn>>> {
    return entered(ask, await signIn(this.database, ask.body, ask.request.ip ?? ''));
  }

  @Serves(routes.redeemLink)
  async redeemLink(ask: AskOf<typeof routes.redeemLink>): Promise<Reply<AnswerOf<typeof routes.redeemLink>>> {
    if (!isLocal(ask.request))
      throw new UserError('A one-time link works only in a browser on the machine that made it', {
        code: 'link_not_local',
        status: 403,
        remedy: 'Sign in with your password.',
      });
    return entered(ask, await redeemLink(this.database, ask.body.token));
  }

  @Serves(routes.createLink)
  async createLink(ask: AskOf<typeof routes.createLink>) {
    const { token, expiresAt } = await createLink(this.database, ask.caller);
    return { token, path: `/sign-in#link=${token}`, expiresAt: expiresAt.toISOString() };
  }

  @Serves(routes.signOut)
  async signOut(ask: AskOf<typeof routes.signOut>): Promise<Reply<void>> {
    const { via, credentialId } = ask.caller;
    if (via === 'session' && credentialId !== null) {
      await this.database.query('delete from session where id = $1', [credentialId]);
      this.live.dropCredential(credentialId);
    }
    return new Reply(undefined, { headers: { 'set-cookie': clearSessionCookie(ask.request) } });
  }

  @Serves(routes.me)
  me(ask: AskOf<typeof routes.me>) {
    const { userId, workspaceId } = ask.caller;
    return this.database.transaction((tx) => readMe(tx, userId, workspaceId), { workspaceId });
  }

  @Serves(routes.listTokens)
  async listTokens(ask: AskOf<typeof routes.listTokens>) {
    const rows = await this.database.query<AccessTokenRow>(
      'select id, name, created_at, last_used_at from token where user_id = $1 and workspace_id = $2 order by created_at, id',
      [ask.caller.userId, ask.caller.workspaceId],
    );
    return { items: rows.map(tokenAnswer) };
  }

  @Serves(routes.createToken)
  async createToken(ask: AskOf<typeof routes.createToken>) {
    const value = newToken(ACCESS_TOKEN_PREFIX);
    const row = await this.database.transaction((tx) => createAccessToken(tx, ask.caller, ask.body.name, value));
    return { ...tokenAnswer(row), token: value };
  }

  @Serves(routes.revokeToken)
  async revokeToken(ask: AskOf<typeof routes.revokeToken>): Promise<void> {
    const { tokenId } = ask.params;
    await this.database.transaction(async (tx) => {
      const gone = await tx.query(
        'delete from token where id = $1 and user_id = $2 and workspace_id = $3 returning id',
        [tokenId, ask.caller.userId, ask.caller.workspaceId],
      );
      if (gone.length === 0)
        throw new UserError(`No access token ${tokenId}`, { code: 'token_not_found', status: 404, field: 'tokenId' });
      await audit(tx, ask.caller, 'token.revoked', tokenId);
    });
    this.live.dropCredential(tokenId);
  }
}

function entered(ask: { readonly request: AskOf<typeof routes.signIn>['request'] }, { me, session }: SignedIn) {
  return new Reply(me, { headers: { 'set-cookie': setSessionCookie(ask.request, session) } });
}

function tokenAnswer({ id, name, createdAt, lastUsedAt }: AccessTokenRow) {
  return { id, name, createdAt: createdAt.toISOString(), lastUsedAt: lastUsedAt?.toISOString() ?? null };
}
