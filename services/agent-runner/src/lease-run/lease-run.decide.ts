import type { RunState } from '@capstan/domain';

/** What decides whether a run may be leased, as its row and its surroundings say at one moment. */
export interface LeaseSight {
  readonly state: RunState;
  readonly parked: boolean;
  /** `not_before` is still ahead: it failed a short while ago. */
  readonly resting: boolean;
  /** The lease is missing or has run out. */
  readonly ranOut: boolean;
  /** Its owner gave it back. */
  readonly unowned: boolean;
  /** Its pod is still being made. */
  readonly podComing: boolean;
  /** Its workspace is paused: nothing new begins. */
  readonly paused: boolean;
  /** The task has an intent or another run: whoever leases the run only ends it. */
  readonly unwanted: boolean;
}

/**
 * Whether a runner may lease the run. This is the rule that the statement of `leaseRuns` carries out under a row lock;
 * a spec runs both over the same rows, and the model in test/model explores this one.
 * @param takeOver the runner has been connected for a lease's length, so its peers have had the time to renew.
 */
export function mayLease(run: LeaseSight, { takeOver }: { readonly takeOver: boolean }): boolean {
  if (run.parked || run.resting) return false;
  if (run.state === 'placed') return (!run.podComing && !run.paused) || run.unwanted;
  return (takeOver || run.unowned) && run.state !== 'finished' && run.ranOut;
}

/** A run's row behind its lease: the epoch is raised each time, so that nothing which a former owner writes is taken. */
export function leased({ state, epoch }: { readonly state: RunState; readonly epoch: number }): {
  readonly state: RunState;
  readonly epoch: number;
} {
  return { state: state === 'placed' ? 'leased' : state, epoch: epoch + 1 };
}

/** Whether an owner's write is taken: it names the epoch under which the run stands, and the run isn't judged. */
export function mayWriteRun(
  run: { readonly state: RunState; readonly epoch: number },
  { epoch }: { readonly epoch: number },
): boolean {
  return run.state !== 'finished' && run.epoch === epoch;
}
