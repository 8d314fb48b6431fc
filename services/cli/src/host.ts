import { runHost } from './run-host.js';

/** The process that the launcher, and each container, runs services in. */
await runHost();
