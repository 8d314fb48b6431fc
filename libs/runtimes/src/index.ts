export type { StartedRun } from './connection.js';
export * from './kubernetes/kubernetes.adapter.js';
export * from './local/local.adapter.js';
export { localProgram } from './local/local-program.js';
export * from './runtime-registry.js';
export * from './runtime.port.js';
export * from './supervisor-client.js';
