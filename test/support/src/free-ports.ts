import { createServer, type AddressInfo, type Server } from 'node:net';

/** `count` consecutive ports on loopback that nobody listens on now. The launcher takes those after its own too. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = await listen(0);
    const port = (first.address() as AddressInfo).port;
    const taken: Server[] = [first];
    try {
      for (let offset = 1; offset < count; offset += 1) taken.push(await listen(port + offset));
      return port;
    } catch {
      // one of the following is taken: another place
    } finally {
      await Promise.all(taken.map((server) => new Promise((resolve) => server.close(resolve))));
    }
  }
}

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
      .once('error', reject)
      .listen(port, '127.0.0.1', () => resolve(server));
  });
}
