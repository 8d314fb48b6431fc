export type { Limits } from './replay/present.js';
export * from './replay/replay.js';
export type { TraceStep } from './replay/trace.js';
