export * from './agent.port.js';
export * from './credential.js';
export { AGENT_GIT_EMAIL, AGENT_GIT_NAME } from './environment.js';
export { listPrice, type CallTokens } from './list-price.js';
export * from './prompt/hidden-text.js';
export * from './prompt/prompt.js';
export * from './registry.js';
