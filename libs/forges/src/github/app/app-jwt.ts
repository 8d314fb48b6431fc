import { createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { UserError, type ForgeAppCredential } from '@capstan/domain';

/** GitHub takes ten minutes at most; a minute is left for a clock that goes before GitHub's. s */
const LIFETIME_S = 540;
/** GitHub refuses what was issued in its future. s */
const BACKDATED_S = 60;

type Signer = Pick<ForgeAppCredential, 'appId' | 'slug' | 'privateKey' | 'secret'>;

/**
 * What an app proves itself with for nine minutes (RS256), good for the app alone and for no repository.
 * Throws UserError `app_key_refused` for a key that is none.
 */
export function appJwt(app: Signer, nowMs: number): string {
  const nowS = Math.floor(nowMs / 1_000);
  const claims = { iat: nowS - BACKDATED_S, exp: nowS + LIFETIME_S, iss: String(app.appId) };
  const content = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
  return `${content}.${sign('sha256', Buffer.from(content), readKey(app)).toString('base64url')}`;
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function readKey({ privateKey, slug, secret }: Signer): KeyObject {
  try {
    const key = createPrivateKey(withLines(privateKey));
    if (key.asymmetricKeyType === 'rsa') return key;
  } catch {
    // Falls through to the same words: the library's would say nothing more, and may hold parts of the value.
  }
  throw new UserError(`${secret} holds no private key (PEM, RSA) of the GitHub App ${slug}`, {
    code: 'app_key_refused',
    status: 422,
    field: secret,
  });
}

/** A one-line field takes the lines out of what is pasted into it. */
function withLines(pem: string): string {
  const parts = /^\s*-----BEGIN ([A-Z ]+)-----([A-Za-z0-9+/=\s]+)-----END \1-----\s*$/.exec(pem);
  if (!parts) return pem;
  const lines = parts[2]!.replace(/\s+/g, '').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${parts[1]}-----`, ...lines, `-----END ${parts[1]}-----`, ''].join('\n');
}
