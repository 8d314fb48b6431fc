import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultPoint, FaultPort } from '@capstan/domain';

/** One charge: whichever replica of the service passes the point for the nth time since dies there. */
export interface Charge {
  readonly id: string;
  readonly point: FaultPoint;
  /** From 1. */
  readonly nth: number;
}

const fileOf = (directory: string, service: string): string => join(directory, service);
const firedOf = (directory: string, id: string): string => join(directory, `${id}.fired`);

/** Takes the place of the charge that the service had. Its processes notice at their next passage of any point. */
export function arm(directory: string, service: string, charge: Charge): void {
  const draft = join(directory, `${charge.id}.draft`);
  writeFileSync(draft, JSON.stringify(charge));
  renameSync(draft, fileOf(directory, service));
}

/** Takes a charge back that nobody met. */
export function disarm(directory: string, service: string): void {
  rmSync(fileOf(directory, service), { force: true });
}

export function hasFired(directory: string, id: string): boolean {
  return existsSync(firedOf(directory, id));
}

/** The port of one process: the first of all replicas that meets the charge dies of it, as of `kill -9`. */
export function armedFaults(directory: string, service: string, die: () => void = killSelf): FaultPort {
  let counting = { id: '', passages: 0 };
  return (point) => {
    const charge = read(fileOf(directory, service));
    if (charge?.point !== point) return;
    if (charge.id !== counting.id) counting = { id: charge.id, passages: 0 };
    counting.passages += 1;
    if (counting.passages < charge.nth) return;
    try {
      renameSync(fileOf(directory, service), firedOf(directory, charge.id));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return; // another replica was faster
      throw error;
    }
    die();
  };
}

function read(file: string): Charge | null {
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Charge;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function killSelf(): void {
  process.kill(process.pid, 'SIGKILL');
  // Not one instruction more, should the signal take its time.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
