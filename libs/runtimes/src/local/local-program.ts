import { onPath } from './boundary/machine.js';
import { localEnvironment } from './local.config.js';

/** Where a program is that an agent's command line names, as a pod of this machine finds it; undefined: nowhere. */
export function localProgram(name: string): string | undefined {
  return onPath(name, localEnvironment()['PATH'] ?? '');
}
