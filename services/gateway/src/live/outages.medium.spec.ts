import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { migrate } from '@capstan/database';
import { aRepository, eventually, ownNats, testDatabase, type OwnNats, type TestDatabase } from '@capstan/test-support';
import type { Links } from '@capstan/api';
import { TestGateway, type SignedInUser } from '../gateway.fixture.js';

describe('without Postgres or NATS', () => {
  let gateway: TestGateway;
  let nats: OwnNats;
  let database: TestDatabase;
  let road: Road;
  let user: SignedInUser;
  beforeAll(async () => {
    [nats, database] = await Promise.all([ownNats(), testDatabase({ migrate })]);
    road = await Road.to(database.url);
    gateway = await TestGateway.start({ CAPSTAN_DATABASE_URL: road.url }, { url: nats.url, prefix: 'capstan' });
    user = await gateway.aUser();
  });
  afterAll(async () => {
    await gateway.close();
    road.close();
    await Promise.all([nats.close(), database.close()]);
  });

  it('stays up, says which link is down, and works again by itself', async () => {
    const repository = await aRepository(gateway.database, { workspaceId: user.workspaceId });
    const json = { repositoryId: repository.id, title: 'T' };
    const create = () => gateway.ask('POST', '/api/tasks', { as: user, json });
    const socket = gateway.live(user);
    const links: Links[] = [];
    const invalidated: string[] = [];
    socket.on('links', (message) => links.push(message));
    socket.on('invalidate', ({ id }) => invalidated.push(id));
    await eventually(() => expect(links).toEqual([{ postgres: true, nats: true }]));

    await nats.kill();
    await eventually(() => expect(links.at(-1)).toEqual({ postgres: true, nats: false }));
    // Tasks are rows: they are taken in, and announced later.
    const made = await create();
    expect(made.status).toBe(201);
    await nats.start();
    await eventually(() => expect(links.at(-1)).toEqual({ postgres: true, nats: true }), 20_000);
    await eventually(() => expect(invalidated).toContain(made.body.id), 20_000);

    road.block();
    const refused = await create();
    expect([refused.status, refused.body.code]).toEqual([503, 'database_unavailable']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await gateway.ask('GET', '/')).status).toBe(200);
    expect((await gateway.ask('GET', '/healthz')).status).toBe(200);
    await eventually(() => expect(links.at(-1)).toEqual({ postgres: false, nats: true }), 20_000);
    expect(socket.connected).toBe(true);
    road.open();
    await eventually(() => expect(links.at(-1)).toEqual({ postgres: true, nats: true }), 20_000);
    expect((await create()).status).toBe(201);
    socket.disconnect();
    expect(gateway.errors()).toEqual([]);
  }, 90_000);
});

/** The way to Postgres, which can be blocked: connections break and new ones are refused. */
class Road {
  private readonly sockets = new Set<Socket>();
  private blocked = false;

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async to(databaseUrl: string): Promise<Road> {
    const target = new URL(databaseUrl);
    const server = createServer((socket) => {
      if (road.blocked) return void socket.destroy();
      const onward = connect(Number(target.port), target.hostname);
      for (const each of [socket, onward]) {
        road.sockets.add(each);
        each.on('error', () => undefined);
        each.once('close', () => {
          road.sockets.delete(each);
          socket.destroy();
          onward.destroy();
        });
      }
      socket.pipe(onward).pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = new URL(databaseUrl);
    url.hostname = '127.0.0.1';
    url.port = String((server.address() as AddressInfo).port);
    const road = new Road(server, url.href);
    return road;
  }

  block(): void {
    this.blocked = true;
    for (const socket of this.sockets) socket.destroy();
  }
  open(): void {
    this.blocked = false;
  }
  close(): void {
    this.block();
    this.server.close();
  }
}
