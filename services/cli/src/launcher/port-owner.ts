import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { UserError } from '@capstan/domain';
import { isPortFree } from '../servers/free-port.js';
import { commandLineOf } from '../servers/process-identity.js';

/** Refuses a port that somebody has, naming who where the system tells. @throws UserError `port_taken` */
export async function refuseTakenPort(port: number): Promise<void> {
  if (await isPortFree(port)) return;
  const owner = process.platform === 'linux' ? linuxOwner(port) : listOwner(port);
  const who =
    owner === undefined ? 'another program' : `process ${owner} (${commandLineOf(owner).trim().slice(0, 120)})`;
  throw new UserError(`port ${port} is taken by ${who}`, {
    code: 'port_taken',
    field: 'CAPSTAN_PORT',
    remedy: `Stop it, or start with another port: CAPSTAN_PORT=${port + 10} npm start`,
  });
}

const LISTEN = '0A';

function linuxOwner(port: number): number | undefined {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readLines(table)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(`:${hexPort}`) === true && fields[3] === LISTEN)
        inodes.add(`socket:[${fields[9] ?? ''}]`);
    }
  }
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (descriptorsOf(pid).some((target) => inodes.has(target))) return Number(pid);
  }
  return undefined;
}

function descriptorsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return ''; // closed meanwhile
      }
    });
  } catch {
    return []; // another user's process, or gone
  }
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(1);
  } catch {
    return []; // e.g. no IPv6
  }
}

function listOwner(port: number): number | undefined {
  const answer = spawnSync('lsof', ['-nP', '-t', `-iTCP:${port}`, '-sTCP:LISTEN'], { encoding: 'utf8' });
  const pid = Number((answer.stdout ?? '').split('\n')[0]);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
}
