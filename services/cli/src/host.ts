import { quickStart } from './quick-start.js';

quickStart();
const { runHost } = await import('./run-host.js');

/** The process that the launcher, and each container, runs services in. */
await runHost();
