/** Injection tokens of the agent runner. */
export const RUNTIME = Symbol('runtime');
