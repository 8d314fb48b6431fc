import type { Id } from '@capstan/domain';
import {
  targetsOf,
  type CredentialUser,
  type CredentialWorld,
  type NamedSecret,
  type ProviderAddresses,
  type Target,
} from '../provider/targets.js';
import type { CredentialSnapshot, KnownCheck } from './verify-credential.snapshot.js';

/** Time between two checks of one credential at one place, for each place where it is checked. ms */
const PER_TARGET_MS = 10_000;

/** A credential that has to be asked about at a place now. */
export interface DueCheck {
  readonly secret: CredentialSnapshot['secrets'][number];
  readonly target: Target;
  /** Version of its row; null where there is none yet. */
  readonly checkVersion: number | null;
  /** Until the next one. ms */
  readonly everyMs: number;
}

export interface CredentialPlan {
  /** Those that nobody knows anything of come first. */
  readonly due: readonly DueCheck[];
  /** Checks of places where the secret is of no use any more. */
  readonly forget: readonly Pick<KnownCheck, 'secretId' | 'target'>[];
  /** When the first of the others is due, from now. ms */
  readonly withinMs: number;
}

/**
 * What has to be asked now: what is new or changed, what somebody asked for, and what was asked long enough ago. A
 * credential of very many repositories is asked about at each of them seldom, so that its own limit is left to the work.
 * @param everyMs between two checks of one credential at one place, or longer.
 */
export function decideCredentials(
  snapshot: CredentialSnapshot,
  everyMs: number,
  providers: ProviderAddresses,
): CredentialPlan {
  const checks = new Map(snapshot.checks.map((check) => [keyOf(check.secretId, check.target), check]));
  const worlds = byWorkspace(snapshot);
  const due: { readonly check: DueCheck; readonly inMs: number }[] = [];
  let withinMs = everyMs;
  for (const secret of snapshot.secrets) {
    const targets = targetsOf(secret, worlds.get(secret.workspaceId)!, providers);
    for (const target of targets) {
      const key = keyOf(secret.id, target.address);
      const check = checks.get(key);
      checks.delete(key);
      const inMs = dueInMs(secret, check, snapshot.now);
      if (inMs > 0) withinMs = Math.min(withinMs, inMs);
      else {
        const own = Math.max(everyMs, targets.length * PER_TARGET_MS);
        due.push({ inMs, check: { secret, target, checkVersion: check?.version ?? null, everyMs: own } });
      }
    }
  }
  return {
    due: due.toSorted((one, other) => one.inMs - other.inMs).map(({ check }) => check),
    forget: [...checks.values()],
    withinMs,
  };
}

/** Before whatever is overdue. */
const FIRST = Number.MIN_SAFE_INTEGER;

function dueInMs(secret: DueCheck['secret'], check: KnownCheck | undefined, now: Date): number {
  if (check === undefined) return FIRST;
  const claimedMs = check.claimedUntil === null ? 0 : +check.claimedUntil - +now;
  if (claimedMs > 0) return claimedMs;
  const isAsked = secret.verifyAskedAt !== null && secret.verifyAskedAt > check.beganAt;
  if (isAsked || check.secretVersion !== secret.version) return FIRST;
  return +check.nextCheckAt - +now;
}

function byWorkspace({ secrets, repositories }: CredentialSnapshot): ReadonlyMap<Id, CredentialWorld> {
  type World = { readonly secrets: NamedSecret[]; readonly repositories: CredentialUser[] };
  const found = new Map<Id, World>(secrets.map(({ workspaceId }) => [workspaceId, { secrets: [], repositories: [] }]));
  for (const secret of secrets) found.get(secret.workspaceId)!.secrets.push(secret);
  for (const repository of repositories) found.get(repository.workspaceId)?.repositories.push(repository);
  return found;
}

/** Of a secret and a place; both are without spaces. */
export function keyOf(secretId: Id, address: string): string {
  return `${secretId} ${address}`;
}
