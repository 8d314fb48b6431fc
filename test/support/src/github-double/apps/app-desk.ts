import { createPublicKey, createVerify, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import type { HookRecord, RepositoryRecord, TokenRecord } from '../model.js';
import { GitHubProblem, notFound } from '../problem.js';
import type { World } from '../world.js';

export type Permissions = Readonly<Record<string, 'read' | 'write'>>;

/** An app as its owner registered it. */
export interface AppRecord {
  readonly id: number;
  readonly slug: string;
  readonly name: string;
  readonly owner: string;
  readonly url: string;
  readonly setupUrl: string | null;
  readonly hook: HookRecord | null;
  readonly events: readonly string[];
  permissions: Permissions;
  readonly createdAt: string;
  /** What GitHub keeps of its private keys. */
  keys: readonly KeyObject[];
}

export interface InstallationRecord {
  readonly id: number;
  readonly app: AppRecord;
  readonly account: string;
  /** Full names in lower case; null: all of the account's. */
  repositories: readonly string[] | null;
  /** As the account's owner accepted them: a permission that the app asks for later is not among them. */
  permissions: Permissions;
  readonly createdAt: string;
  suspendedAt: string | null;
}

export interface AppInput {
  readonly owner: string;
  readonly name: string;
  readonly permissions: Permissions;
  readonly url?: string;
  readonly setupUrl?: string | null;
  readonly hookUrl?: string | null;
  readonly events?: readonly string[];
}

/** What a conversion hands over, once. */
export interface AppSecrets {
  readonly app: AppRecord;
  readonly pem: string;
  readonly webhookSecret: string | null;
}

const TOKEN_MS = 60 * 60_000;
const MAX_PROOF_S = 10 * 60;
/** GitHub forgives a clock that is a little off. s */
const LEEWAY_S = 5;

/** The desk at which apps are registered, installed and recognised. */
export class AppDesk {
  readonly apps: AppRecord[] = [];
  readonly installations: InstallationRecord[] = [];
  private readonly codes = new Map<string, AppSecrets>();

  constructor(private readonly world: World) {}

  create(input: AppInput): AppSecrets {
    const slug = input.name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '');
    if (this.apps.some((app) => app.slug === slug)) throw new GitHubProblem(422, 'Name is already taken');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const webhookSecret = input.hookUrl ? randomBytes(20).toString('hex') : null;
    const app: AppRecord = {
      id: this.world.nextId(),
      slug,
      name: input.name,
      owner: input.owner,
      url: input.url ?? 'https://example.com',
      setupUrl: input.setupUrl ?? null,
      hook: input.hookUrl ? this.hook(input.hookUrl, webhookSecret!, input.events ?? []) : null,
      events: input.events ?? [],
      permissions: input.permissions,
      createdAt: this.world.now(),
      keys: [createPublicKey(privateKey)],
    };
    this.world.user(input.owner);
    this.world.user(`${slug}[bot]`);
    this.apps.push(app);
    return { app, pem: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(), webhookSecret };
  }

  /** A code that hands the app over once. */
  codeFor(secrets: AppSecrets): string {
    const code = randomBytes(20).toString('hex');
    this.codes.set(code, secrets);
    return code;
  }

  /** @throws GitHubProblem 404 for a code that is unknown or used. */
  takeCode(code: string): AppSecrets {
    const secrets = this.codes.get(code);
    if (!secrets) throw notFound();
    this.codes.delete(code);
    return secrets;
  }

  app(slug: string): AppRecord {
    const found = this.apps.find((app) => app.slug === slug);
    if (!found) throw notFound();
    return found;
  }

  /** Installs it for an account, or changes its repositories. */
  install(slug: string, account: string, repositories: readonly string[] | 'all'): InstallationRecord {
    const app = this.app(slug);
    const names = repositories === 'all' ? null : repositories.map((name) => name.toLowerCase());
    const known = this.installations.find((each) => each.app === app && each.account === account);
    if (known) {
      known.repositories = names;
      return known;
    }
    const installation: InstallationRecord = {
      id: this.world.nextId(),
      app,
      account,
      repositories: names,
      permissions: app.permissions,
      createdAt: this.world.now(),
      suspendedAt: null,
    };
    this.installations.push(installation);
    return installation;
  }

  uninstall(slug: string, account: string): void {
    const index = this.installations.findIndex((each) => each.app.slug === slug && each.account === account);
    if (index >= 0) this.installations.splice(index, 1);
  }

  suspend(slug: string, account: string, suspended: boolean): void {
    const found = this.installations.find((each) => each.app.slug === slug && each.account === account);
    if (found) found.suspendedAt = suspended ? this.world.now() : null;
  }

  /** The installation that covers a repository, suspended or not. */
  covering(app: AppRecord, repository: RepositoryRecord): InstallationRecord | undefined {
    return this.installations.find(
      (each) => each.app === app && each.account === repository.owner && covers(each, repository),
    );
  }

  /** A token of an installation, narrowed to repositories and permissions. @throws GitHubProblem 403 or 422. */
  token(
    installation: InstallationRecord,
    { repositories, permissions }: { repositories?: readonly string[]; permissions?: Permissions },
  ): TokenRecord {
    if (installation.suspendedAt !== null) throw new GitHubProblem(403, 'This installation has been suspended');
    const lacking = Object.entries(permissions ?? {}).filter(([name, level]) => {
      const granted = installation.permissions[name];
      return !(granted === 'write' || granted === level || (name === 'metadata' && level === 'read'));
    });
    if (lacking.length > 0)
      throw new GitHubProblem(422, 'The permissions requested are not granted to this installation.');
    const names = repositories?.map((name) => `${installation.account}/${name}`.toLowerCase());
    const reachable = (name: string): boolean => {
      const repository = this.world.repositories.get(name);
      return repository !== undefined && covers(installation, repository);
    };
    if (names && !names.every(reachable))
      throw new GitHubProblem(
        422,
        'There is at least one repository that does not exist or is not accessible to the parent installation.',
      );
    const token: TokenRecord = {
      token: `ghs_${randomBytes(18).toString('hex')}`,
      login: `${installation.app.slug}[bot]`,
      permissions: 'write',
      repositories: names ?? this.namesOf(installation),
      grants: permissions ?? installation.permissions,
      installation,
      expiresAt: this.world.time() + TOKEN_MS,
    };
    this.world.tokens.set(token.token, token);
    return token;
  }

  /** Whether a token of an installation is still good. */
  isGood({ installation, expiresAt }: TokenRecord): boolean {
    if (installation === undefined || expiresAt === undefined) return true;
    const stands = this.installations.includes(installation) && installation.suspendedAt === null;
    return stands && this.world.time() < expiresAt;
  }

  /** The app that a JSON web token proves. @throws GitHubProblem 401 or 404, in GitHub's words. */
  recognise(jwt: string): AppRecord {
    const undecodable = new GitHubProblem(401, 'A JSON web token could not be decoded');
    const [head = '', body = '', signature = ''] = jwt.split('.');
    const header = decoded(head);
    const claims = decoded(body);
    if (header?.['alg'] !== 'RS256' || claims === null) throw undecodable;
    const app = this.apps.find(({ id }) => String(id) === String(claims['iss']));
    if (!app) throw new GitHubProblem(404, 'Integration not found');
    const isSigned = app.keys.some((key) =>
      createVerify('sha256').update(`${head}.${body}`).verify(key, Buffer.from(signature, 'base64url')),
    );
    if (!isSigned) throw undecodable;
    const nowS = this.world.time() / 1_000;
    const [iat, exp] = [Number(claims['iat']), Number(claims['exp'])];
    if (!(iat <= nowS + LEEWAY_S))
      throw new GitHubProblem(
        401,
        "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
      );
    if (!(exp > nowS - LEEWAY_S))
      throw new GitHubProblem(
        401,
        "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
      );
    if (exp > nowS + MAX_PROOF_S + LEEWAY_S)
      throw new GitHubProblem(401, "'Expiration time' claim ('exp') is too far in the future");
    return app;
  }

  /** Apps whose deliveries an event of a repository belongs to, with the installation. */
  listeners(repository: RepositoryRecord, event: string): readonly InstallationRecord[] {
    return this.installations.filter(
      (each) =>
        each.app.hook !== null &&
        each.suspendedAt === null &&
        each.app.events.includes(event) &&
        each.account === repository.owner &&
        covers(each, repository),
    );
  }

  private namesOf(installation: InstallationRecord): readonly string[] {
    return [...this.world.repositories.values()]
      .filter((repository) => repository.owner === installation.account && covers(installation, repository))
      .map(({ fullName }) => fullName);
  }

  private hook(url: string, secret: string, events: readonly string[]): HookRecord {
    const now = this.world.now();
    const id = this.world.nextId();
    const state = { createdAt: now, updatedAt: now, deliveries: [] };
    return { id, url, secret, contentType: 'json', events: [...events], active: true, ...state };
  }
}

function covers({ repositories }: InstallationRecord, repository: RepositoryRecord): boolean {
  return repositories === null || repositories.includes(repository.fullName.toLowerCase());
}

function decoded(part: string): Record<string, unknown> | null {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as Record<string, unknown>;
  } catch {
    return null; // no JSON: no token
  }
}
