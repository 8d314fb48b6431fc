import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { LOG_ROTATES_AT_BYTES } from './log-rotation.js';

/**
 * A process that can be told from a later one with the same number: `startTime` is clock ticks since boot on Linux
 * and the text of `ps -o lstart` elsewhere.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
}

/** When `pid` started, or undefined when there is no such process or only its zombie. */
export function startTimeOf(pid: number): string | undefined {
  if (process.platform === 'linux') {
    let stat: string;
    try {
      stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    } catch {
      return undefined; // no such process
    }
    // The command's name is in parentheses and may hold spaces; fields count from behind it, state being the third.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  }
  const answer = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' });
  const text = answer.status === 0 ? answer.stdout.trim() : '';
  return text === '' || text.startsWith('Z') ? undefined : text.replace(/^\S+\s+/, '');
}

/** The identity of a process that runs now, or undefined. */
export function identify(pid: number): ProcessIdentity | undefined {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

/** Whether exactly this process still runs. */
export function isAlive(process_: ProcessIdentity): boolean {
  return startTimeOf(process_.pid) === process_.startTime;
}

/** The command line of `pid`, words joined by spaces; empty when it can't be read. */
export function commandLineOf(pid: number): string {
  if (process.platform === 'linux') {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    } catch {
      return ''; // gone meanwhile
    }
  }
  return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout ?? '';
}

/** Waits until the process is gone; false when it still runs after `withinMs`. */
export async function waitUntilGone(process_: ProcessIdentity, withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs;
  while (isAlive(process_)) {
    if (performance.now() >= end) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

/**
 * Sends `signal` if exactly this process still runs, and waits for its end; when that takes longer than `withinMs`,
 * sends `harder` and waits again. @returns whether it is gone.
 */
export async function stopProcess(
  process_: ProcessIdentity,
  signal: NodeJS.Signals,
  withinMs: number,
  harder: NodeJS.Signals,
): Promise<boolean> {
  if (!isAlive(process_)) return true;
  process.kill(process_.pid, signal);
  if (await waitUntilGone(process_, withinMs)) return true;
  if (isAlive(process_)) process.kill(process_.pid, harder);
  return waitUntilGone(process_, 5_000);
}

/**
 * Starts a program in a session of its own: neither Ctrl-C in the terminal nor the death of the one who started it
 * reaches it. Its output is appended to `logFile` (0600; the former file is kept as `.1` once it is over 16 MiB).
 * @throws when the program can't be started at all.
 */
export async function spawnDetached(
  command: readonly string[],
  options: { readonly logFile: string; readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<ProcessIdentity> {
  mkdirSync(dirname(options.logFile), { recursive: true, mode: 0o700 });
  if ((statSync(options.logFile, { throwIfNoEntry: false })?.size ?? 0) > LOG_ROTATES_AT_BYTES) {
    renameSync(options.logFile, `${options.logFile}.1`);
  }
  const log = openSync(options.logFile, 'a', 0o600);
  try {
    const [program = '', ...args] = command;
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: ['ignore', log, log],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid ?? 0;
    return identify(pid) ?? { pid, startTime: 'ended at once' };
  } finally {
    closeSync(log);
  }
}

/** The last lines of a log file, for an error message. */
export function tailOf(file: string, lines = 15): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '(no log)';
  }
}
