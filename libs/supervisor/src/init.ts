import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** Waits for ever and reaps whatever is handed to it; ends at once when the pod is to end. */
const REAPER = `trap 'exit 0' TERM INT; while :; do sleep 86400 & wait $!; done`;

/**
 * PID 1 of a pod. Node never collects children that it didn't start, and a pod's orphans end as children of PID 1, so
 * this process becomes a shell, whose `wait` collects all of them. Needs Node 22.15 for that; an older one keeps the
 * shell as a child and leaves zombies behind.
 */
export function init(root: string): void {
  mkdirSync(join(root, 'runs'), { recursive: true, mode: 0o700 });
  const environment = { PATH: '/usr/local/bin:/usr/bin:/bin' };
  if (typeof process.execve === 'function') {
    process.execve('/bin/sh', ['sh', '-c', REAPER], environment);
  }
  const shell = spawn('/bin/sh', ['-c', REAPER], { env: environment, stdio: 'ignore' });
  process.once('SIGTERM', () => shell.kill('SIGTERM'));
  shell.once('exit', () => process.exit(0));
}
