/** Injection token of the runtime that pods live in. */
export const RUNTIME = Symbol('runtime');
