/**
 * What a credential's provider says of it. `unchecked`: it was not asked yet · `scope_too_narrow`: it knows the credential
 * and does not allow it what Capstan needs · `inconclusive`: its answer says nothing of the credential (a limit, a fault
 * of its own, none at all).
 */
export const CHECKED_STATES = ['unchecked', 'valid', 'expired', 'scope_too_narrow', 'refused', 'inconclusive'] as const;
export type CheckedState = (typeof CHECKED_STATES)[number];

export const CONCLUSIVE_STATES = ['valid', 'expired', 'scope_too_narrow', 'refused'] as const;
export type ConclusiveState = (typeof CONCLUSIVE_STATES)[number];

/** Beside what was said of a credential: that one is needed and not set. */
export const CREDENTIAL_STATES = ['missing', ...CHECKED_STATES] as const;
export type CredentialState = (typeof CREDENTIAL_STATES)[number];

/** The worst first: what a person has to see of a credential that is asked about at several places. */
const BY_WEIGHT: readonly CheckedState[] = [
  'refused',
  'expired',
  'scope_too_narrow',
  'inconclusive',
  'unchecked',
  'valid',
];

/** The check that decides how a credential is shown; the first of equals, undefined of none. */
export function weightiest<Check extends { readonly state: CheckedState }>(
  checks: readonly Check[],
): Check | undefined {
  const weight = ({ state }: Check): number => BY_WEIGHT.indexOf(state);
  return checks.reduce<Check | undefined>(
    (worst, check) => (worst === undefined || weight(check) < weight(worst) ? check : worst),
    undefined,
  );
}

export function isConclusive(state: CheckedState): state is ConclusiveState {
  return (CONCLUSIVE_STATES as readonly string[]).includes(state);
}
