import { claimHolds, mayClaim, mayLeave } from '@capstan/domain';
import { leased, mayLease, mayWriteRun } from '@capstan/agent-runner/lease-run/lease-run.decide';

/**
 * The rules on which "nothing twice" rests. The services' own, except where a spec breaks one on purpose, to see that
 * the model finds out.
 */
export interface Laws {
  readonly mayLease: typeof mayLease;
  readonly leased: typeof leased;
  readonly mayWriteRun: typeof mayWriteRun;
  readonly mayClaim: typeof mayClaim;
  readonly claimHolds: typeof claimHolds;
  readonly mayLeave: typeof mayLeave;
  /** An executor looks at the remote before it acts. */
  readonly looks: boolean;
  /** A second launch of a run finds the first one. */
  readonly launchesOnce: boolean;
  /** The supervisor refuses an epoch lower than the highest that it has seen. */
  readonly supervisorFences: boolean;
  /** Ending a run that was never started raises the supervisor's epoch, so that nobody starts it afterwards. */
  readonly stopForbidsStart: boolean;
}

export const LAWS: Laws = {
  mayLease,
  leased,
  mayWriteRun,
  mayClaim,
  claimHolds,
  mayLeave,
  looks: true,
  launchesOnce: true,
  supervisorFences: true,
  stopForbidsStart: true,
};
