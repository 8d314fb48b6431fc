import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database, migrate, type CredentialCheck } from '@capstan/database';
import { openLogger, Vault } from '@capstan/service-kit';
import {
  aRepository,
  startGitHubDouble,
  testDatabase,
  type GitHubDouble,
  type TestDatabase,
} from '@capstan/test-support';
import { Reach } from '../address/reach.js';
import { hostRules } from '../forward/host-rule.js';
import { CredentialVerifier } from '../verify-credential/verify-credential.loop.js';
import { askProvider } from './ask-provider.js';
import { askPermissions } from './forge-permissions.js';

const ALL = { contents: 'write', pull_requests: 'write', issues: 'write', statuses: 'read' } as const;

let server: TestDatabase;
let database: Database;
let double: GitHubDouble;
let vault: Vault;
const directory = mkdtempSync(join(tmpdir(), 'egress-forge-'));
const lines: string[] = [];

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
  vault = new Vault(database, randomBytes(32).toString('base64'));
  double = await startGitHubDouble({ dir: directory, validate: false });
  await double.createRepository('acme/app', { files: { 'README.md': 'x' }, private: true });
});
afterAll(async () => {
  await double.close();
  await database.close();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

it('names what a fine-grained token lacks once it is set, and notices when somebody gives it that', async () => {
  const { workspaceId } = await aRepository(database, {
    ...{ fullName: 'acme/app', apiUrl: double.apiUrl, cloneUrl: `${double.url}/acme/app.git` },
    credentialSecret: 'GITHUB_TOKEN',
  });
  const { hostname, port } = new URL(double.url);
  const reach = new Reach(() => Promise.resolve([hostname]), hostRules([`${hostname}:${port}`]).rules);
  const verifier = new CredentialVerifier({
    ...{ database, vault, everyMs: 300_000, ask: askProvider(reach), askPermissions: askPermissions(database) },
    logger: openLogger({ format: 'json', level: 'debug', secrets: [], write: (line) => void lines.push(line) }),
  });
  const verified = async () => {
    await database.query('update secret set verify_asked_at = clock_timestamp()');
    await verifier.pass();
    await verifier.drain();
    const [check] = await database.query<CredentialCheck>('select * from credential_check');
    return [check?.state, check?.words];
  };
  const token = double.createToken({ login: 'ada', grants: { ...ALL, pull_requests: 'read' } });
  await database.transaction((tx) => vault.put(tx, { workspaceId, repositoryId: null, name: 'GITHUB_TOKEN' }, token));
  expect(await verified()).toEqual([
    'scope_too_narrow',
    'The token lacks Pull requests: Read and write (Resource not accessible by personal access token)',
  ]);
  // Nobody's tickets are watched, so nobody needs issues.
  double.changeToken(token, { grants: { contents: 'write', pull_requests: 'write' } });
  expect(await verified()).toEqual(['valid', null]);
  double.changeToken(token, { grants: { ...ALL, contents: 'read' } });
  expect((await verified())[1]).toContain('Contents: Read and write (Write access to repository not granted.)');
  expect(lines.filter((line) => line.includes(token))).toEqual([]);
});
