/** Injection tokens of the agent runner. */
export const RUNTIME = Symbol('runtime');
/** Called at the named points of a run's life; does nothing in production, crashes in the crash suite. */
export const FAULT_POINT = Symbol('fault point');
export type FaultPoint = (name: string) => Promise<void>;
