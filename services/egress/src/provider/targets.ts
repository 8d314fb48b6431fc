import { credentialsFor, knownCredential, type KnownCredential } from '@capstan/agents';
import type { ForgeApp, Repository, Secret } from '@capstan/database';
import { unreachable } from '@capstan/domain';
import type { AddressTrust } from '@capstan/service-kit';

/** What is asked of whom, and how the credential is shown there. */
export type Call =
  'anthropic-key' | 'anthropic-token' | 'openai' | 'gemini' | 'github-user' | 'github-repository' | 'github-app';

/** One place where a credential is asked about. */
export interface Target {
  readonly call: Call;
  /** Without user, query and fragment. */
  readonly address: string;
  /** The same as people know it. */
  readonly subject: string;
  /** Whether a person named the host, so that it may be in the house. */
  readonly trust: AddressTrust;
  /** The app whose key the credential is: what is shown is a proof that is made with it. */
  readonly app?: KeyOf;
}

/** An app at a forge, by what it proves itself. */
export type KeyOf = Pick<ForgeApp, 'appId' | 'slug' | 'apiUrl'>;

/** Where the providers are, without a slash at the end. */
export type ProviderAddresses = Readonly<Record<KnownCredential['provider'], string>>;

export const PROVIDER_ADDRESSES: ProviderAddresses = {
  anthropic: 'https://api.anthropic.com',
  openai: 'https://api.openai.com/v1',
  gemini: 'https://generativelanguage.googleapis.com',
  github: 'https://api.github.com',
};

export type NamedSecret = Pick<Secret, 'id' | 'repositoryId' | 'userId' | 'name'> & {
  /** Of the key of an app. */
  readonly app?: KeyOf | null;
};
export type CredentialUser = Pick<Repository, 'id' | 'fullName' | 'apiUrl' | 'credentialSecret' | 'agent'>;

/** A workspace's secrets, and the repositories that use them. */
export interface CredentialWorld {
  readonly secrets: readonly NamedSecret[];
  readonly repositories: readonly CredentialUser[];
}

/**
 * Where a secret is asked about: each repository that it is the forge's credential of, and the endpoint that each agent
 * takes it to. A key that no repository uses yet is asked about at its provider; one that is nothing's, nowhere.
 */
export function targetsOf(secret: NamedSecret, world: CredentialWorld, providers: ProviderAddresses): Target[] {
  // The forge of an app is asked whether it knows the key; no repository's address ever is.
  if (secret.app) return atApp(secret.app);
  const users = usersOf(secret, world);
  const known = knownCredential(secret.name);
  const targets = [
    ...users.filter(({ credentialSecret }) => credentialSecret === secret.name).flatMap(atForge),
    ...(known === undefined ? [] : atModels(known, users, providers)),
  ];
  return [...new Map(targets.map((target) => [target.address, target])).values()];
}

/**
 * The repositories that find this secret under its name: one's own comes before the workspace's. A person's own is for
 * providers alone, at their own address: no forge, and no endpoint that a repository has set.
 */
function usersOf(secret: NamedSecret, { secrets, repositories }: CredentialWorld): readonly CredentialUser[] {
  if (secret.userId !== null) return [];
  if (secret.repositoryId !== null) return repositories.filter(({ id }) => id === secret.repositoryId);
  const own = new Set(secrets.filter(({ name }) => name === secret.name).map(({ repositoryId }) => repositoryId));
  return repositories.filter(({ id }) => !own.has(id));
}

function atApp(app: KeyOf): Target[] {
  const address = plainAddress(app.apiUrl, '/app');
  return address === null ? [] : [{ call: 'github-app', address, subject: app.slug, trust: 'private', app }];
}

function atForge({ apiUrl, fullName }: CredentialUser): readonly Target[] {
  const address = plainAddress(apiUrl, `/repos/${fullName}`);
  return address === null ? [] : [{ call: 'github-repository', address, subject: fullName, trust: 'private' }];
}

function atModels(
  known: KnownCredential,
  users: readonly CredentialUser[],
  providers: ProviderAddresses,
): readonly Target[] {
  const takers = users.filter(({ agent }) => credentialsFor(agent).includes(known.name));
  // GitHub's own is GitHub's alone: no endpoint of somebody's own ever gets it.
  const bases =
    takers.length === 0 || known.provider === 'github' ? [undefined] : takers.map(({ agent }) => agent.baseUrl);
  return bases.flatMap((base) => {
    const address = plainAddress(base ?? providers[known.provider], PATHS[known.provider]);
    if (address === null) return [];
    return {
      call: callOf(known),
      address,
      subject: new URL(address).host,
      trust: base === undefined ? 'public' : 'private',
    };
  });
}

const PATHS: Readonly<Record<KnownCredential['provider'], string>> = {
  anthropic: '/v1/models',
  openai: '/models',
  gemini: '/v1beta/models',
  github: '/user',
};

function callOf({ provider, form }: KnownCredential): Call {
  switch (provider) {
    case 'anthropic':
      return form === 'key' ? 'anthropic-key' : 'anthropic-token';
    case 'openai':
      return 'openai';
    case 'gemini':
      return 'gemini';
    case 'github':
      return 'github-user';
    default:
      return unreachable(provider);
  }
}

/** Null for what is no http address. */
function plainAddress(base: string, path: string): string | null {
  const url = URL.canParse(base) ? new URL(base) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) return null;
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}${path}`;
}
