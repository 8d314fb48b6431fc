import { realpathSync } from 'node:fs';
import { isAbsolute, relative } from 'node:path';
import { SupervisorFault } from './fault.js';

/** Throws unless `real` (an absolute path) is the root or lies in it. */
export function requireInside(root: string, real: string, given: string): void {
  const way = relative(realpathSync(root), real);
  if (way.startsWith('..') || isAbsolute(way)) {
    throw new SupervisorFault('outside_root', `${given} is outside the pod's root`);
  }
}
