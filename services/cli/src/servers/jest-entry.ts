/** What Jest's global set-up needs of the servers. */
export { findNats } from './nats-binary.js';
export { startServers, stopServers } from './servers.js';
