import { createPublicKey, createVerify, generateKeyPairSync } from 'node:crypto';
import { appJwt } from './app-jwt.js';
import { APP_PERMISSIONS, missingPermissions, permissionsFor } from './permissions-needed.js';

const NOW_MS = 1_900_000_000_000;
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
const app = { appId: 42, slug: 'capstan', secret: 'GITHUB_APP_1_KEY', privateKey: pem };
const part = (jwt: string, index: number) =>
  JSON.parse(Buffer.from(jwt.split('.')[index]!, 'base64url').toString()) as object;

it('proves an app for nine minutes, from a minute ago', () => {
  const jwt = appJwt(app, NOW_MS + 999);
  expect(part(jwt, 0)).toEqual({ alg: 'RS256', typ: 'JWT' });
  expect(part(jwt, 1)).toEqual({ iat: NOW_MS / 1_000 - 60, exp: NOW_MS / 1_000 + 540, iss: '42' });
  const [head, claims, signature] = jwt.split('.');
  const check = createVerify('sha256').update(`${head}.${claims}`);
  expect(check.verify(createPublicKey(privateKey), Buffer.from(signature!, 'base64url'))).toBe(true);
});

it.each([
  ['PKCS#8', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()],
  ['one line, as a password field leaves it', pem.replaceAll('\n', '')],
  ['spaces for lines', pem.replaceAll('\n', ' ')],
])('takes a key as %s', (_form, key) => {
  expect(appJwt({ ...app, privateKey: key }, NOW_MS)).toBe(appJwt(app, NOW_MS));
});

const { privateKey: curve } = generateKeyPairSync('ed25519');
it.each([
  ['no key', 'ghp_secretsecretsecret'],
  ['a torn key', pem.slice(0, 400)],
  ['another sort', curve.export({ type: 'pkcs8', format: 'pem' }).toString()],
])('refuses %s without showing it', (_case, key) => {
  let refused: unknown;
  try {
    appJwt({ ...app, privateKey: key }, NOW_MS);
  } catch (error) {
    refused = error;
  }
  expect(refused).toMatchObject({ code: 'app_key_refused', field: 'GITHUB_APP_1_KEY' });
  expect(JSON.stringify([refused, (refused as Error).message])).not.toContain(key.slice(4, 20));
});

it('registers with what all purposes need together, and nothing else', () => {
  expect(APP_PERMISSIONS).toEqual({
    metadata: 'read',
    contents: 'write',
    pull_requests: 'write',
    checks: 'write',
    statuses: 'read',
    issues: 'write',
  });
});

it('narrows a token to its purpose', () => {
  expect(permissionsFor('fetch', APP_PERMISSIONS)).toEqual({ contents: 'read' });
  expect(permissionsFor('publish', APP_PERMISSIONS)).toEqual({ contents: 'write', pull_requests: 'write' });
  expect(permissionsFor('publish_workflows', APP_PERMISSIONS)).not.toHaveProperty('workflows');
  expect(permissionsFor('publish_workflows', { ...APP_PERMISSIONS, workflows: 'write' })).toHaveProperty('workflows');
});

it('names what is missing as the app’s page does', () => {
  expect(missingPermissions(APP_PERMISSIONS, { contents: 'read', metadata: 'read', issues: 'admin' })).toEqual([
    'Contents: Read and write',
    'Pull requests: Read and write',
    'Checks: Read and write',
    'Commit statuses: Read-only',
  ]);
});
