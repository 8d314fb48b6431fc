import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { RUN_ID_VARIABLE } from '@capstan/domain';

/** A live process. Start times tell a process from a later one with its number. */
export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  readonly startTime: string;
}

/** How a process is known again: all three must be equal. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
}

const linux = process.platform === 'linux';

/** Identity of this boot of the machine. */
export function bootId(): string {
  if (linux) return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return execFileSync('sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'utf8' }).trim();
}

/** Identity of a live process; undefined when there is none with that number (a zombie counts as none). */
export function identify(pid: number): ProcessIdentity | undefined {
  const found = linux ? readProcess(pid) : listProcesses().find((each) => each.pid === pid);
  return found && { pid, startTime: found.startTime, bootId: bootId() };
}

/** True when that very process is still alive. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = identify(identity.pid);
  return now !== undefined && now.startTime === identity.startTime && now.bootId === identity.bootId;
}

/** Sends a signal; false when the process (or group, for a negative number) is gone or not ours. */
export function signalTo(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/**
 * The run's processes: those that carry its id in their environment, were seen as its before (`known`) or belong to
 * `session`, and everything that descends from one of them. On macOS the environment is read with `ps -E`, which shows
 * it only for processes of the same user that the system doesn't protect: there it is a best effort.
 */
export function processesOf(runId: string, known: ReadonlyMap<number, string>, session?: number): Process[] {
  const all = listProcesses();
  const carries = linux ? carriesInProc : carriesInPs();
  const members = new Map<number, Process>();
  for (const each of all) {
    if (each.pid === process.pid) continue;
    const ours = known.get(each.pid) === each.startTime || (session !== undefined && each.session === session);
    if (ours || carries(each.pid, runId)) members.set(each.pid, each);
  }
  for (let grown = members.size > 0; grown;) {
    grown = false;
    for (const each of all) {
      if (members.has(each.pid) || !members.has(each.parent) || each.pid === process.pid) continue;
      members.set(each.pid, each);
      grown = true;
    }
  }
  return [...members.values()];
}

/** Identity of the PID namespace that this process is in. */
export function pidNamespace(): string {
  return linux ? readlinkSync('/proc/self/ns/pid') : '';
}

/**
 * SIGTERM to every other process that there is: only for a process inside a PID namespace that was made for its run.
 * The namespace's first process, which ends it, isn't asked.
 */
export function askNeighboursToEnd(): void {
  for (const { pid } of neighbours()) signalTo(pid, 'SIGTERM');
}

/** The same, and waits until they have ended, at most so long; the end of the namespace kills who remains. */
export async function endNeighbours(graceMs: number): Promise<void> {
  if (neighbours().length === 0) return;
  askNeighboursToEnd();
  for (const end = performance.now() + graceMs; neighbours().length > 0 && performance.now() < end;) await pause(10);
}

function neighbours(): Process[] {
  return listProcesses().filter(({ pid }) => pid !== 1 && pid !== process.pid);
}

export interface EndOptions {
  /** Time between SIGTERM and SIGKILL, ms. */
  readonly graceMs: number;
  /** Session of the agent, when its leader is known to have been the run's. */
  readonly session?: number;
  /** Gives up after this, ms: a process in an uninterruptible wait can't be killed. */
  readonly patienceMs?: number;
}

/** SIGTERM, then SIGKILL, to every process of the run until two scans in a row find none. Answers how many are left. */
export async function endProcesses(runId: string, options: EndOptions): Promise<number> {
  const known = new Map<number, string>();
  const asked = new Set<string>();
  const begun = performance.now();
  for (let empty = 0; empty < 2;) {
    const found = processesOf(runId, known, options.session);
    const waited = performance.now() - begun;
    if (found.length > 0 && waited > (options.patienceMs ?? 30_000)) return found.length;
    empty = found.length === 0 ? empty + 1 : 0;
    for (const each of found) {
      known.set(each.pid, each.startTime);
      const key = `${each.pid} ${each.startTime}`;
      if (waited >= options.graceMs) signalTo(each.pid, 'SIGKILL');
      else if (!asked.has(key)) signalTo(each.pid, 'SIGTERM');
      asked.add(key);
    }
    if (empty < 2) await pause(found.length === 0 ? 5 : 15);
  }
  return 0;
}

function listProcesses(): Process[] {
  if (!linux) return listWithPs();
  const found: Process[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const each = Number.isInteger(pid) ? readProcess(pid) : undefined;
    if (each !== undefined) found.push(each);
  }
  return found;
}

function readProcess(pid: number): Process | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name in parentheses may contain anything, so the fields are counted from its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return { pid, parent: Number(fields[1]), session: Number(fields[3]), startTime: fields[19] ?? '' };
}

function carriesInProc(pid: number, runId: string): boolean {
  let environment: Buffer;
  try {
    environment = readFileSync(`/proc/${pid}/environ`);
  } catch {
    return false; // gone, or another user's
  }
  const wanted = Buffer.from(`${RUN_ID_VARIABLE}=${runId}\0`);
  for (let at = environment.indexOf(wanted); at >= 0; at = environment.indexOf(wanted, at + 1)) {
    if (at === 0 || environment[at - 1] === 0) return true;
  }
  return false;
}

function listWithPs(): Process[] {
  const found: Process[] = [];
  for (const line of ps(['-axo', 'pid=,ppid=,sess=,stat=,lstart='])) {
    const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(.*)$/.exec(line);
    if (match === null || match[4]?.startsWith('Z')) continue;
    found.push({ pid: Number(match[1]), parent: Number(match[2]), session: -1, startTime: (match[5] ?? '').trim() });
  }
  return found;
}

function carriesInPs(): (pid: number, runId: string) => boolean {
  const commands = new Map<number, string>();
  for (const line of ps(['-axEwwo', 'pid=,command='])) {
    const match = /^\s*(\d+)\s(.*)$/.exec(line);
    if (match !== null) commands.set(Number(match[1]), ` ${match[2] ?? ''} `);
  }
  return (pid, runId) => commands.get(pid)?.includes(` ${RUN_ID_VARIABLE}=${runId} `) ?? false;
}

function ps(arguments_: readonly string[]): string[] {
  return execFileSync('ps', arguments_, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }).split('\n');
}
