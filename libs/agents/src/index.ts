export * from './agent.port.js';
export * from './credential.js';
export { AGENT_GIT_EMAIL, AGENT_GIT_NAME } from './environment.js';
export { listPrice, type CallTokens } from './list-price.js';
export { installCommand, type AgentProgram, type LogIn } from './log-in/log-in.js';
export { readLogIn } from './log-in/read-log-in.js';
export * from './prompt/hidden-text.js';
export * from './prompt/prompt.js';
export * from './registry.js';
