import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * One address before several replicas, as a cluster's service is: each connection goes to the next one that accepts.
 * It looks at no byte; a connection that nobody accepts is closed.
 */
export class ReplicaDoor {
  private turn = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly ports: readonly number[],
  ) {
    server.on('connection', (client: Socket) => this.pass(client));
  }

  static open(ports: readonly number[]): Promise<ReplicaDoor> {
    return new Promise((resolve, reject) => {
      const server = createServer({ allowHalfOpen: false, pauseOnConnect: true }).once('error', reject);
      server.listen(0, '127.0.0.1', () => resolve(new ReplicaDoor(server, ports)));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private pass(client: Socket): void {
    this.keep(client);
    this.turn += 1;
    const order = this.ports.map((_, index) => this.ports[(this.turn + index) % this.ports.length]!);
    const next = (): void => {
      const port = order.shift();
      if (port === undefined || client.destroyed) return void client.destroy();
      const replica = connect(port, '127.0.0.1');
      replica.once('error', next);
      replica.once('connect', () => {
        replica.removeListener('error', next);
        this.keep(replica);
        replica.on('close', () => client.destroy());
        client.on('close', () => replica.destroy());
        client.pipe(replica).pipe(client);
      });
    };
    next();
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.sockets.delete(socket));
  }
}
