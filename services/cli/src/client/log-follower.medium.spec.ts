import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LIVE_NAMESPACE, LIVE_PATH } from '@capstan/api';
import { uuidv7 } from '@capstan/domain';
import { eventually } from '@capstan/test-support';
import { Server as SocketServer } from 'socket.io';
import { GatewayClient } from './gateway-client.js';
import { LogFollower } from './log-follower.js';

const runId = uuidv7(Date.now(), new Uint8Array(10));
const at = new Date(0).toISOString();
const line = (sequence: number) => ({ sequence, at, kind: 'text' as const, text: `line ${sequence}` });

/**
 * The two doors of a run's log as libs/api defines them, over a real HTTP and Socket.IO server. It has no other route,
 * no session and no storage, and sends what a spec tells it to, however wrong.
 */
class LogDoor {
  stored = 0;
  ended = false;
  reads = 0;
  handshakes: unknown[] = [];
  private readonly http: Server;
  private readonly io: SocketServer;

  constructor() {
    this.http = createServer((request, response) => {
      this.reads += 1;
      const query = new URL(request.url ?? '/', 'http://door').searchParams;
      const after = Number(query.get('after'));
      const length = Math.max(0, Math.min(this.stored - after, Number(query.get('limit')), 1_000));
      const lines = Array.from({ length }, (_, index) => line(after + 1 + index));
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ runId, lines, head: this.stored, ended: this.ended, expiredAt: null }));
    });
    this.io = new SocketServer(this.http, { path: LIVE_PATH, transports: ['websocket'] });
    this.io.of(LIVE_NAMESPACE).on('connection', (socket) => {
      this.handshakes.push(socket.handshake.auth);
      socket.on('follow', (_request: unknown, answer: (result: unknown) => void) => {
        answer({ head: this.stored, ended: this.ended });
      });
    });
  }

  async open(): Promise<GatewayClient> {
    await new Promise<void>((resolve) => this.http.listen(0, '127.0.0.1', resolve));
    return new GatewayClient(`http://127.0.0.1:${(this.http.address() as AddressInfo).port}`, 'token');
  }

  send(...sequences: number[]): void {
    this.stored = Math.max(this.stored, ...sequences);
    this.io.of(LIVE_NAMESPACE).emit('log', { runId, lines: sequences.map(line) });
  }

  head(ended: boolean): void {
    this.ended = ended;
    this.io.of(LIVE_NAMESPACE).emit('head', { runId, head: this.stored, ended });
  }

  dropAll(): void {
    for (const socket of this.io.of(LIVE_NAMESPACE).sockets.values()) socket.conn.close();
  }

  close(): Promise<void> {
    return this.io.close();
  }
}

describe('following a log', () => {
  let door: LogDoor;
  let printed: number[];
  let follower: LogFollower;

  beforeEach(async () => {
    door = new LogDoor();
    printed = [];
    follower = new LogFollower(await door.open(), runId, ({ sequence }) => printed.push(sequence));
  });
  afterEach(() => door.close());

  const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);
  const joined = () => eventually(() => door.handshakes.length > 0);

  it('reads what is stored, page by page', async () => {
    door.stored = 2_345;
    door.ended = true;
    expect(await follower.readAll()).toEqual({ ended: true });
    expect(printed).toEqual(upTo(2_345));
    expect(door.reads).toBe(3);
  });

  it('prints each line once and in order, whatever the socket repeats, leaves out or mixes up', async () => {
    door.stored = 10;
    const end = follower.follow();
    await joined();
    await eventually(() => printed.length === 10);
    door.send(11, 12);
    door.send(11, 12);
    door.send(15, 16);
    door.send(13);
    door.send(20, 18, 19);
    door.stored = 25;
    door.head(false);
    await eventually(() => printed.length === 25);
    door.send(26);
    door.head(true);
    await end;
    expect(printed).toEqual(upTo(26));
    expect(door.handshakes).toEqual([{ token: 'token' }]);
  });

  it('goes on after the connection broke', async () => {
    const end = follower.follow();
    await joined();
    door.send(1);
    await eventually(() => printed.length === 1);
    door.dropAll();
    door.stored = 7;
    await eventually(() => door.handshakes.length > 1);
    await eventually(() => printed.length === 7);
    door.head(true);
    await end;
    expect(printed).toEqual(upTo(7));
  }, 20_000);

  it('ends at once for a run that is over', async () => {
    door.stored = 3;
    door.ended = true;
    await follower.follow();
    expect(printed).toEqual([1, 2, 3]);
  });
});
