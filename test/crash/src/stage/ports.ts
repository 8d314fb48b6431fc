import { createServer } from 'node:net';

/**
 * Free ports below those that the system hands out by itself: nobody's outgoing connection takes one while its owner is
 * down for a moment.
 */
export async function lastingPorts(count: number): Promise<number[]> {
  const found: number[] = [];
  for (let port = 20_000 + Math.floor(Math.random() * 8_000); found.length < count; port += 1) {
    if (port > 32_000) throw new Error('no free ports between 20000 and 32000');
    if (await isFree(port)) found.push(port);
  }
  return found;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
