import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Boundary } from '@capstan/domain';
import { systemCode } from './fault.js';

/** A listener that is away (it is being replaced) is asked again so often, for so long, ms. */
const AGAIN_MS = 100;
const PATIENCE_MS = 30_000;
const AWAY = new Set(['ENOENT', 'ECONNREFUSED', 'EAGAIN']);

/** Listens on 127.0.0.1:port and passes each connection on to the socket, byte for byte, half-closed ends too. */
export async function relay(to: NonNullable<Boundary['relay']>, patienceMs = PATIENCE_MS): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on('error', () => client.destroy());
    void join(client, to.socket, patienceMs);
  });
  await new Promise<void>((listening, failed) => {
    server.once('error', failed);
    server.listen(to.port, '127.0.0.1', listening);
  });
  return server;
}

async function join(client: Socket, path: string, patienceMs: number): Promise<void> {
  const upstream = await reach(client, path, patienceMs);
  if (upstream === undefined) return void client.destroy();
  upstream.on('error', () => client.destroy());
  client.on('error', () => upstream.destroy());
  client.once('close', () => upstream.destroy());
  upstream.once('close', () => client.destroy());
  client.pipe(upstream);
  upstream.pipe(client);
}

async function reach(client: Socket, path: string, patienceMs: number): Promise<Socket | undefined> {
  for (const end = performance.now() + patienceMs; !client.destroyed; await pause(AGAIN_MS)) {
    const socket = connect({ path, allowHalfOpen: true });
    const failure = await new Promise<unknown>((resolve) => {
      socket.once('connect', () => resolve(undefined));
      socket.once('error', resolve);
    });
    if (failure === undefined) return socket;
    socket.destroy();
    if (!AWAY.has(systemCode(failure) ?? '') || performance.now() > end) return undefined;
  }
  return undefined;
}
