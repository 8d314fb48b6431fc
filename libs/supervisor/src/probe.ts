import { lookup } from 'node:dns/promises';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { ProbeAnswer, ProbeRequest } from '@capstan/domain';
import { relay } from './relay.js';

const CONNECT_MS = 1_000;
const RELAY_MS = 3_000;
const NAME = 'capstan-probe.example.com';

/** Tries from inside a boundary what an agent would: answers what was possible and must not be. */
export async function probe(request: ProbeRequest): Promise<ProbeAnswer> {
  for (const directory of request.marked.directories) leaveMark(join(directory, request.marked.name));
  const tried = await Promise.all([
    ...request.unreadable.map((path) => hole(`reads ${path}`, () => readable(path))),
    ...request.writable.map((path) => hole(`can't write in ${path}`, () => !writable(path))),
    ...request.unreachable.map((address) => hole(`reaches ${address}`, () => reaches(addressOf(address)))),
    ...(request.abstractSocket === undefined ? [] : [abstractSocket(request.abstractSocket)]),
    hole('sees processes outside', () => foreignProcesses() > 0),
    hole('has a network of its own accord', () => Object.keys(networkInterfaces()).some((name) => name !== 'lo')),
    hole(`resolves names (${NAME})`, () => lookup(NAME).then(() => true)),
    hole('changes settings of the kernel', () => opens('/proc/sys/kernel/core_pattern')),
    hole('has capabilities', () => capabilities() !== 0n),
  ]);
  const holes = tried.filter((each) => each !== undefined);
  const way = request.relay === undefined ? undefined : await egressFault(request.relay);
  return { holes: way === undefined ? holes : [...holes, way] };
}

/** An attempt that fails, by an error or by its answer, is what is wanted. */
async function hole(words: string, possible: () => boolean | Promise<boolean>): Promise<string | undefined> {
  try {
    return (await possible()) ? words : undefined;
  } catch {
    return undefined;
  }
}

/** Mostly it can't be, or only in the boundary's own memory: what counts is seen from outside. */
function leaveMark(path: string): void {
  try {
    writeFileSync(path, '', { flag: 'wx' });
  } catch {
    // As it should be.
  }
}

function readable(path: string): boolean {
  if (statSync(path).isDirectory()) return readdirSync(path).length > 0;
  readFileSync(path);
  return true;
}

function writable(directory: string): boolean {
  const file = join(directory, `.capstan-probe-${process.pid}`);
  try {
    writeFileSync(file, '', { flag: 'wx' });
  } catch {
    return false;
  }
  rmSync(file);
  return true;
}

function opens(path: string): boolean {
  closeSync(openSync(path, 'r+'));
  return true;
}

function addressOf(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at), port: Number(text.slice(at + 1)) };
}

async function reaches(to: { host: string; port: number } | { path: string }): Promise<boolean> {
  const socket = connect(to);
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.setTimeout(CONNECT_MS, () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}

function abstractSocket(name: string): Promise<string | undefined> {
  return hole('reaches an abstract Unix socket', () => reaches({ path: `\0${name}` }));
}

/** All but the namespace's first process and this one. */
function foreignProcesses(): number {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== '1' && name !== String(process.pid))
    .length;
}

function capabilities(): bigint {
  const status = readFileSync('/proc/self/status', 'utf8');
  const sets = [...status.matchAll(/^Cap(?:Inh|Prm|Eff|Bnd|Amb):\s*([0-9a-f]+)$/gm)].map(([, hex]) =>
    BigInt(`0x${hex}`),
  );
  return sets.reduce((all, each) => all | each, 0n);
}

/** The only way out must be one: something at its other end answers HTTP. */
async function egressFault(to: NonNullable<ProbeRequest['relay']>): Promise<string | undefined> {
  let server;
  try {
    server = await relay(to, RELAY_MS);
  } catch (error) {
    return `can't listen for egress on port ${to.port}: ${String(error)}`;
  }
  const answered = await new Promise<boolean>((resolve) => {
    const socket = connect(to.port, '127.0.0.1');
    socket.once('data', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.setTimeout(2 * RELAY_MS, () => resolve(false));
    socket.write('GET / HTTP/1.1\r\nHost: egress\r\nConnection: close\r\n\r\n');
  });
  server.close();
  return answered ? undefined : "doesn't reach egress through its relay";
}
