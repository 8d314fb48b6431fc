import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { FaultPort } from '@capstan/domain';
import { breakBuild } from '../../broken-builds/break-build.js';
import { armedFaults } from './armed.js';
import { shiftClock } from './clock.js';
import { programConfig } from './program.config.js';

/**
 * A host's process as the crash suite can run it: the services as they were built, by the same function as the real
 * program, and between them and the world what the suite wants: a port that listens at fault points, another clock, one
 * broken place.
 */

interface QuickStartModule {
  quickStart(): void;
}
interface RunHostModule {
  runHost(options: { readonly faults?: FaultPort }): Promise<never>;
}

/** test/crash/dist/faults/host → the checkout. */
const ROOT = join(import.meta.dirname, '../../../../..');

const { service, faultDirectory, clockShiftMs, brokenBuild } = programConfig();
if (clockShiftMs !== 0) shiftClock(clockShiftMs);
if (brokenBuild !== null) breakBuild(brokenBuild, ROOT);
const built = (file: string) => pathToFileURL(join(ROOT, 'services/cli/dist', file)).href;
const { quickStart } = (await import(built('quick-start.js'))) as QuickStartModule;
quickStart();
const { runHost } = (await import(built('run-host.js'))) as RunHostModule;
await runHost(faultDirectory === null ? {} : { faults: armedFaults(faultDirectory, service) });
