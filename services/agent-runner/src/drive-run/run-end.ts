import type { FinishAnswer, RunExit, RunOutcome } from '@capstan/domain';

export const STOPPED_BEFORE: RunOutcome = { kind: 'stopped', detail: 'Stopped before the agent was started' };

/** How the agent ended, and what it left where that was said along with it. */
export interface RunEnd {
  readonly exit: RunExit;
  readonly finished: FinishAnswer | undefined;
}

/** The run is over for a reason that is known already. */
export class Ended extends Error {
  constructor(readonly outcome: RunOutcome) {
    super(outcome.detail);
  }
}

/** The agent was not started, because its workspace was paused: the run waits for a runner again. */
export class HeldBack extends Error {}
