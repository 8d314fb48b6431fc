import { mkdirSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { UserError } from '@capstan/domain';

/** Longest path of a Unix socket that every system takes, bytes. */
const MAX_PATH_BYTES = 103;

/**
 * Listens on a Unix socket that only this user may connect to. A socket that a dead process left is replaced.
 * @throws UserError `egress_socket` when a living process listens there, or the path can't be one.
 */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw refused(`the path is longer than ${MAX_PATH_BYTES} bytes: ${path}`);
  if (await answers(path)) throw refused(`another process listens on ${path}`);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    removeLeftover(path);
    await listen(server, path);
  } catch (cause) {
    throw refused(`${path} can't be made: ${(cause as Error).message}`, cause);
  }
}

/** The socket is made within the call, so no other file gets the narrow mask, and nobody ever sees a wider mode. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const mask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    const end = (alive: boolean): void => {
      probe.destroy();
      resolve(alive);
    };
    probe.once('connect', () => end(true));
    probe.once('error', () => end(false)); // nothing there, or nobody behind it
  });
}

function removeLeftover(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function refused(why: string, cause?: unknown): UserError {
  return new UserError(`egress can't listen for isolated pods: ${why}`, {
    code: 'egress_socket',
    status: 409,
    field: 'CAPSTAN_EGRESS_SOCKET',
    cause,
  });
}
