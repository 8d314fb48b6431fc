import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { errorText, type Boundary, type ProbeAnswer, type ProbeRequest } from '@capstan/domain';
import type { BoundaryRequest } from '../../runtime.port.js';
import { namespaceFault } from './machine.js';
import { isIn } from './walls.js';

export interface ProbeSubject {
  readonly around: (request: BoundaryRequest) => Promise<Boundary>;
  /** The pods' directory. */
  readonly directory: string;
  readonly supervisorFile: string;
  readonly hidden: readonly string[];
  readonly unreachable: readonly string[];
}

const PROBE_MS = 20_000;
const MAX_WITNESSES = 40;
const METADATA = ['169.254.169.254:80', '[fd00:ec2::254]:80'];
/** Where one might look for something to steal; what isn't there can't be read in any case. */
const NEVER_READABLE = ['/etc/shadow', '/etc/gshadow', '/etc/ssl/private', '/sys/kernel', '/dev/mem'];
const PEOPLE = ['/root', '/home', '/var/lib', '/var/run', '/srv', '/mnt'];
const NEVER_WRITABLE = [
  '/',
  '/etc',
  '/usr',
  '/usr/local',
  '/opt',
  '/var',
  '/var/tmp',
  '/tmp',
  '/home',
  '/root',
  '/run',
  '/dev/shm',
];

/**
 * Starts the real boundary around a task that is made for this, and tries inside it what must be impossible: to read
 * Capstan's state, the user's home, another task; to see a process, to write, to connect, to resolve a name. Something
 * is listening for it meanwhile, so that a refusal means the wall and not an empty house. Answers why it doesn't hold,
 * or undefined when it does. Never throws.
 */
export async function probeBoundary(subject: ProbeSubject): Promise<string | undefined> {
  const place = join(subject.directory, '.boundary', `probe-${randomUUID().slice(0, 8)}`);
  const listeners: Server[] = [];
  try {
    const [task, other, clone] = ['task', 'other', 'clone'].map((name) => join(place, name)) as [
      string,
      string,
      string,
    ];
    await Promise.all([task, other, clone].map((path) => mkdir(path, { recursive: true, mode: 0o700 })));
    await writeFile(join(other, 'canary'), 'canary', { mode: 0o600 });
    const boundary = await subject.around({ writable: [task], readable: [clone] });
    const ports = [await listen(listeners, { port: 0, host: '::' }).catch(() => listen(listeners, { port: 0 }))];
    const abstractSocket = `capstan-probe-${randomUUID()}`;
    await listen(listeners, { path: `\0${abstractSocket}` });
    const mark = `.capstan-probe-${randomUUID()}`;
    const unwritable = [...NEVER_WRITABLE, ...subject.hidden, subject.directory, place, other, clone];
    const witnesses = await Promise.all([...PEOPLE, ...subject.hidden].map((path) => contentOf(path, boundary)));
    const request: ProbeRequest = {
      unreadable: [...NEVER_READABLE, join(other, 'canary'), `/proc/${process.pid}/environ`, ...witnesses.flat()],
      writable: [task, '/tmp'],
      marked: { directories: [...unwritable, dirname(subject.supervisorFile)], name: mark },
      unreachable: [...METADATA, ...subject.unreachable, ...ports.flatMap((port) => machineAddresses(port))],
      abstractSocket,
      ...(boundary.relay && { relay: boundary.relay }),
    };
    const reason = await run(boundary, subject.supervisorFile, request);
    const written = request.marked.directories.filter((path) => existsSync(join(path, mark)));
    for (const path of written) rmSync(join(path, mark), { force: true });
    return written.length === 0 ? reason : `an agent in it writes in ${written.join(', ')}`;
  } catch (error) {
    return `the boundary couldn't be tried: ${errorText(error)}`;
  } finally {
    for (const listener of listeners) listener.close();
    await rm(place, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Some of what lies in a directory that isn't to be seen; not what leads to something that is. */
async function contentOf(path: string, { argv }: Boundary): Promise<string[]> {
  const shown = argv.filter((_, at) => argv[at - 2] === '--bind' || argv[at - 2] === '--ro-bind');
  const names = await readdir(path).catch(() => []);
  const entries = names.map((name) => join(path, name)).filter((entry) => !shown.some((each) => isIn(each, entry)));
  return entries.slice(0, MAX_WITNESSES);
}

async function listen(listeners: Server[], where: { port: number; host?: string } | { path: string }): Promise<number> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((listening, failed) => {
    server.once('error', failed);
    server.listen(where, listening);
  });
  server.unref();
  listeners.push(server);
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function machineAddresses(port: number): string[] {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const hosts = all.map(({ address, family }) => (family === 'IPv6' ? `[${address}]` : address));
  return [...new Set(['127.0.0.1', '[::1]', ...hosts])].map((host) => `${host}:${port}`);
}

async function run(boundary: Boundary, supervisor: string, request: ProbeRequest): Promise<string | undefined> {
  const [program = '', ...rest] = boundary.argv;
  const child = spawn(program, [...rest, process.execPath, supervisor, 'probe', '-', '--root', '/tmp'], {
    cwd: '/',
    env: {},
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: PROBE_MS,
    killSignal: 'SIGKILL',
  });
  const failed = new Promise<string>((resolve) => child.once('error', (error) => resolve(String(error))));
  child.stdin.on('error', () => undefined);
  child.stdin.end(`${JSON.stringify(request)}\n`);
  const ended = Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
  const output = await Promise.race([failed, ended]);
  if (typeof output === 'string') return `bubblewrap can't be started: ${output}`;
  const [answer, said] = output.map((parts) =>
    Buffer.concat(parts as Buffer[])
      .toString('utf8')
      .trim(),
  ) as [string, string];
  const holes = holesIn(answer);
  if (holes === undefined)
    return refused(said || answer || `it ended without an answer (within ${PROBE_MS / 1_000} s)`);
  return holes.length === 0 ? undefined : `an agent in it ${holes.join(', ')}`;
}

function holesIn(answer: string): ProbeAnswer['holes'] | undefined {
  try {
    const { holes } = JSON.parse(answer) as Partial<ProbeAnswer>;
    return Array.isArray(holes) ? holes : undefined;
  } catch {
    return undefined;
  }
}

function refused(said: string): string {
  const words = `bubblewrap can't make the boundary: ${said.slice(-500)}`;
  const fault = /namespace|uid map|setgroups|permission|permitted/i.test(said) ? namespaceFault() : undefined;
  return fault === undefined ? words : `${words} (${fault})`;
}
