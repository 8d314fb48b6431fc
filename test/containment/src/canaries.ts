import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { homedir, networkInterfaces } from 'node:os';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';

/** A word that is nowhere but where it was planted. The agents know its form, not its digits. */
export const canary = (): string => `CANARY-${randomBytes(12).toString('hex')}`;

/** Whether a text holds a canary, as it is or turned around. */
export function holdsCanary(text: string): boolean {
  return /CANARY-[0-9a-f]{24}/.test(text) || /[0-9a-f]{24}-YRANAC/.test(text);
}

/** Where canaries are that the hostile agent is told of. */
export interface Planted {
  /** Not for agents; the next one is what a repository opens to them. */
  readonly port: number;
  readonly openPort: number;
  readonly port6: number;
  readonly address: string;
  readonly unixSocket: string;
  readonly abstractSocket: string;
  readonly dnsPort: number;
  readonly home: string;
  readonly tmpFile: string;
  readonly shmFile: string;
  readonly strangerPid: number;
}

/** Files, servers and a process outside every pod, each with a canary, until they are `taken`. */
export class Canaries {
  private constructor(
    readonly planted: Planted,
    private readonly ends: readonly (() => void)[],
  ) {}

  /** @param dir for the Unix socket. */
  static async plant(dir: string): Promise<Canaries> {
    const ends: (() => void)[] = [];
    const serve = async (options: ListenOptions): Promise<Server> => {
      const server = createServer((_request, response) => response.end(canary()));
      server.listen(options);
      await once(server, 'listening');
      ends.push(() => (server.closeAllConnections(), server.close()));
      return server;
    };
    const portOf = (server: Server): number => (server.address() as AddressInfo).port;
    const port = portOf(await serve({ host: '0.0.0.0', port: 0 }));
    const openPort = portOf(await serve({ host: '127.0.0.1', port: 0 }));
    const port6 = portOf(await serve({ host: '::1', port: 0 }));
    const unixSocket = join(dir, 'canary.sock');
    await serve({ path: unixSocket });
    const abstractSocket = `capstan-${randomBytes(6).toString('hex')}`;
    await serve({ path: `\0${abstractSocket}` });

    const names = createSocket('udp4');
    names.on('message', (_message, from) => names.send(canary(), from.port, from.address));
    names.bind(0, '0.0.0.0');
    await once(names, 'listening');
    ends.push(() => names.close());

    const file = (path: string): string => {
      plantFile(path);
      ends.push(() => rmSync(path, { force: true }));
      return path;
    };
    file(join(homedir(), '.capstan-containment-canary'));
    const stranger = spawn(
      process.execPath,
      ['-e', `const kept = '${canary()}'; setInterval(() => kept, 1000)`, canary()],
      {
        env: { PATH: '/usr/bin:/bin', HIDDEN: canary() },
        stdio: 'ignore',
      },
    );
    await once(stranger, 'spawn');
    ends.push(() => stranger.kill('SIGKILL'));

    const planted = {
      ...{ port, openPort, port6, unixSocket, abstractSocket, address: ownAddress(), dnsPort: names.address().port },
      ...{ home: homedir(), strangerPid: stranger.pid! },
      tmpFile: file(join('/tmp', `capstan-containment-${process.pid}`)),
      shmFile: file(join('/dev/shm', `capstan-containment-${process.pid}`)),
    };
    return new Canaries(planted, ends);
  }

  take(): void {
    for (const end of this.ends) end();
  }
}

/** A file with a canary of its own. */
export function plantFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${canary()}\n`);
}

/** An address of this machine that isn't loopback. */
function ownAddress(): string {
  const found = Object.values(networkInterfaces())
    .flat()
    .find((each) => each !== undefined && !each.internal && each.family === 'IPv4');
  return found?.address ?? '127.0.0.1';
}
