import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** A log above this is moved to `.1`, whose former content goes. */
export const LOG_ROTATES_AT_BYTES = 16 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;

/**
 * Keeps the logs in a directory below twice the limit each, while the programs that append to them run on: they hold
 * the file open, so it is copied and then cut, not renamed. A line that is written in the moment between may be lost.
 * @returns names of the logs that were moved.
 */
export function rotateLogs(directory: string, limitBytes = LOG_ROTATES_AT_BYTES): readonly string[] {
  const logs = readdirSync(directory).filter((name) => name.endsWith('.log'));
  return logs.filter((name) => {
    const file = join(directory, name);
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) <= limitBytes) return false;
    copyAndCut(file);
    return true;
  });
}

function copyAndCut(file: string): void {
  const next = `${file}.1.next`;
  const from = openSync(file, 'r+');
  const to = openSync(next, 'w', 0o600);
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let at = 0;
    // Until nothing has come while the last piece was copied: the cut follows at once.
    while (at < fstatSync(from).size) {
      const read = readSync(from, chunk, 0, chunk.length, at);
      writeSync(to, chunk, 0, read);
      at += read;
    }
    ftruncateSync(from, 0);
  } catch (error) {
    rmSync(next, { force: true }); // half a copy on a full disk helps nobody
    throw error;
  } finally {
    closeSync(from);
    closeSync(to);
  }
  renameSync(next, `${file}.1`);
}
