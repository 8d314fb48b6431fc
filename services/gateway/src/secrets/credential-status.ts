import { agent, AGENT_NAMES, credentialsFor, knownCredential } from '@capstan/agents';
import type { Credential } from '@capstan/api';
import type { CredentialCheck, ModelOrder, Repository, Secret } from '@capstan/database';
import { weightiest, type Id } from '@capstan/domain';
import { instant } from '../http/time.js';

/** Verify may be asked once in so long, per credential. ms */
export const VERIFY_EVERY_MS = 60_000;

type SecretFacts = Pick<Secret, 'id' | 'name' | 'repositoryId' | 'userId' | 'setAt' | 'verifyAskedAt' | 'version'>;
type RepositoryFacts = Pick<Repository, 'id' | 'fullName' | 'forge' | 'credentialSecret' | 'agent'>;

/** Everything that a workspace's credentials, and those of one of its members, are told from. */
export interface CredentialFacts {
  readonly now: Date;
  /** Without those of archived repositories, and of other members. */
  readonly secrets: readonly SecretFacts[];
  readonly repositories: readonly RepositoryFacts[];
  readonly checks: readonly CredentialCheck[];
  /** What is set of the agents' choices, by the secret's id. */
  readonly choices: ReadonlyMap<Id, string>;
  readonly orders: readonly Pick<ModelOrder, 'protocol' | 'entries'>[];
  /** Log-ins of agents' programs that stand in for secrets, as runners found them lately. */
  readonly logIns: readonly { readonly agent: string; readonly secrets: readonly string[] }[];
}

type Need = Credential['neededBy'][number];

const FORGE_TITLES: Readonly<Record<string, string>> = { github: 'GitHub' };

/** Every credential of the workspace that is needed or set: what is missing first, then by name. */
export function credentialStatuses(all: CredentialFacts): Credential[] {
  const facts = { ...all, secrets: all.secrets.filter(({ userId }) => userId === null) };
  const needs = new Map<Id, Need[]>(facts.secrets.map(({ id }) => [id, []]));
  const missing = new Map<string, { readonly names: readonly string[]; readonly neededBy: Need[] }>();
  for (const repository of facts.repositories) {
    for (const { names, agent: by } of neededBy(repository, facts)) {
      const need = { repositoryId: repository.id, repository: repository.fullName, agent: by };
      const found = secretsOf(repository, names, facts);
      for (const { id } of found) needs.get(id)!.push(need);
      // A further key for fail-over alone does not do: runs ask for the first.
      if (found.some(({ name }) => names.includes(name)) || isInOrder(names, repository, facts)) continue;
      if (isLoggedIn(names, repository, facts)) continue;
      const key = names.join(' ');
      missing.set(key, { names, neededBy: [...(missing.get(key)?.neededBy ?? []), need] });
    }
  }
  return [
    ...[...missing.values()].map(missingCredential),
    ...facts.secrets
      .toSorted((one, other) => order(one).localeCompare(order(other), 'en'))
      .map((secret) => setCredential(secret, needs.get(secret.id)!, facts)),
  ];
}

/**
 * A member's own credentials, by name. They serve agents at the providers' own addresses; of use wherever an agent asks
 * for one of that name.
 */
export function ownStatuses(facts: CredentialFacts): Credential[] {
  return facts.secrets
    .filter(({ userId }) => userId !== null)
    .toSorted((one, other) => order(one).localeCompare(order(other), 'en'))
    .map((secret) => {
      const known = knownCredential(secret.name)?.name ?? secret.name;
      const users = facts.repositories.filter(
        ({ agent: settings }) => settings.baseUrl === undefined && credentialsFor(settings).includes(known),
      );
      const needs = users.map(({ id, fullName, agent: { agent: by } }) => ({
        ...{ repositoryId: id, repository: fullName, agent: agent(by).title },
      }));
      return setCredential(secret, needs, facts);
    });
}

/** Whether something of the workspace's order for the provider of these names is set: then runs do without them. */
function isInOrder(names: readonly string[], { agent: { baseUrl } }: RepositoryFacts, facts: CredentialFacts): boolean {
  if (baseUrl !== undefined) return false;
  const providers = names.map((name) => knownCredential(name)?.provider);
  return facts.orders.some(
    ({ protocol, entries }) =>
      providers.includes(protocol) && entries.some(({ secret }) => facts.secrets.some(({ name }) => name === secret)),
  );
}

/** Whether the log-in of the agent's own program does: at its provider's own address alone. */
function isLoggedIn(
  names: readonly string[],
  { agent: settings }: RepositoryFacts,
  { logIns }: CredentialFacts,
): boolean {
  return (
    settings.baseUrl === undefined &&
    logIns.some(({ agent: by, secrets }) => by === settings.agent && names.some((name) => secrets.includes(name)))
  );
}

function order({ name, repositoryId }: SecretFacts): string {
  return `${name} ${repositoryId ?? ''}`;
}

/** What a repository can't do without: one of each of these. */
function neededBy(
  repository: RepositoryFacts,
  facts: CredentialFacts,
): readonly { readonly names: readonly string[]; readonly agent: string | null }[] {
  const { agent: settings, credentialSecret } = repository;
  const options = AGENT_NAMES.includes(settings.agent) ? (agent(settings.agent).options ?? []) : [];
  const choices = options.flatMap((name) => {
    const value = facts.choices.get(resolve(repository, name, facts)?.id ?? '');
    return value === undefined ? [] : [[name, value] as const];
  });
  const names = credentialsFor(settings, Object.fromEntries(choices));
  return [
    { names: [credentialSecret], agent: null },
    ...(names.length === 0 ? [] : [{ names, agent: agent(settings.agent).title }]),
  ];
}

/** The secrets that a repository has of these names, further keys for fail-over included. */
function secretsOf(
  repository: RepositoryFacts,
  names: readonly string[],
  facts: CredentialFacts,
): readonly SecretFacts[] {
  const meant = ({ name }: SecretFacts): boolean =>
    names.includes(name) || names.includes(knownCredential(name)?.name ?? '');
  const all = new Set(facts.secrets.filter(meant).map(({ name }) => name));
  return [...all].flatMap((name) => resolve(repository, name, facts) ?? []);
}

/** A repository's own, else the workspace's: as runs find it. */
function resolve(repository: RepositoryFacts, name: string, { secrets }: CredentialFacts): SecretFacts | undefined {
  const named = secrets.filter((secret) => secret.name === name);
  return (
    named.find(({ repositoryId }) => repositoryId === repository.id) ??
    named.find(({ repositoryId }) => repositoryId === null)
  );
}

function missingCredential({
  names,
  neededBy: needs,
}: {
  readonly names: readonly string[];
  readonly neededBy: Need[];
}): Credential {
  const [name, ...alternatives] = names;
  return {
    name: name!,
    alternatives,
    owner: 'workspace',
    repositoryId: null,
    neededBy: needs,
    provider: knownCredential(name!)?.title ?? null,
    state: 'missing',
    words: null,
    checkedAt: null,
    lastConclusive: null,
    checking: false,
    nextVerifyAt: null,
    setAt: null,
    checks: [],
  };
}

function setCredential(secret: SecretFacts, needs: Need[], facts: CredentialFacts): Credential {
  const checks = facts.checks.filter(
    ({ secretId, secretVersion }) => secretId === secret.id && secretVersion === secret.version,
  );
  const worst = weightiest(checks);
  const provider = providerOf(secret, needs, facts);
  const { conclusiveState, conclusiveAt } = worst ?? {};
  const verifyFrom = secret.verifyAskedAt === null ? +secret.setAt : +secret.verifyAskedAt + VERIFY_EVERY_MS;
  return {
    name: secret.name,
    alternatives: [],
    owner: secret.userId === null ? 'workspace' : 'mine',
    repositoryId: secret.repositoryId,
    neededBy: needs,
    provider,
    state: worst?.state ?? 'unchecked',
    words: worst?.words ?? null,
    checkedAt: instant(worst?.checkedAt ?? null),
    lastConclusive:
      worst?.state === 'inconclusive' && conclusiveState && conclusiveAt
        ? { state: conclusiveState, at: instant(conclusiveAt) }
        : null,
    checking: provider !== null && isChecking(secret, checks, facts.now),
    nextVerifyAt: provider === null ? null : instant(new Date(verifyFrom)),
    setAt: instant(secret.setAt),
    checks: checks.map(({ subject, state, words, checkedAt }) => ({
      ...{ subject, state, words },
      checkedAt: instant(checkedAt),
    })),
  };
}

function providerOf(secret: SecretFacts, needs: readonly Need[], { repositories }: CredentialFacts): string | null {
  const known = knownCredential(secret.name);
  if (known !== undefined) return known.title;
  const use = needs.find(({ agent: by }) => by === null);
  const forge = repositories.find(({ id }) => id === use?.repositoryId)?.forge;
  return forge === undefined ? null : (FORGE_TITLES[forge] ?? forge);
}

/** For a minute: nobody is told to wait for a check that nobody makes. */
function isChecking(secret: SecretFacts, checks: readonly CredentialCheck[], now: Date): boolean {
  const asked = Math.max(+secret.setAt, +(secret.verifyAskedAt ?? 0));
  if (+now - asked >= VERIFY_EVERY_MS) return false;
  const done = ({ beganAt, checkedAt }: CredentialCheck): boolean =>
    checkedAt !== null && +beganAt >= asked && checkedAt >= beganAt;
  return checks.length === 0 || !checks.every(done);
}
