import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

/** Below the ports that systems give to connections by themselves: those may be taken again a moment later. */
const [LOWEST, HIGHEST] = [12_000, 32_000];

/** `count` consecutive ports on loopback that nobody listens on now. The launcher takes those after its own too. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST);
    const taken: Server[] = [];
    try {
      for (let offset = 0; offset < count; offset += 1) taken.push(await listen(port + offset));
      return port;
    } catch {
      // one of them is taken: another place
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
