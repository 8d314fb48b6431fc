import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { makeWorkerUtils, type WorkerUtils } from 'graphile-worker';
import pg from 'pg';

export type GraphileSettings = 'defaults' | 'local queue';
export type GraphileMessage = { readonly ready: true } | { readonly dueMs: number; readonly begunMs: number };

/** graphile-worker in a process of its own, fed from this one by a plain pool. */
export class GraphileQueue {
  private begun: (dueMs: number, begunMs: number) => void = () => undefined;

  private constructor(
    private readonly pool: pg.Pool,
    private readonly utils: WorkerUtils,
    private readonly worker: ChildProcess,
  ) {
    worker.on('message', (message: GraphileMessage) => {
      if ('dueMs' in message) this.begun(message.dueMs, message.begunMs);
    });
  }

  static async start(databaseUrl: string, settings: GraphileSettings): Promise<GraphileQueue> {
    const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });
    pool.on('error', () => undefined);
    pool.on('connect', (client) => client.on('error', () => undefined));
    const utils = await makeWorkerUtils({ pgPool: pool });
    await utils.migrate();
    const worker = fork(join(import.meta.dirname, 'graphile-worker.js'), [databaseUrl, settings], { stdio: 'inherit' });
    await Promise.race([
      once(worker, 'message'),
      once(worker, 'exit').then(() => Promise.reject(new Error('graphile-worker ended at once'))),
    ]);
    return new GraphileQueue(pool, utils, worker);
  }

  onBegun(listener: (dueMs: number, begunMs: number) => void): void {
    this.begun = listener;
  }

  async add(dueMs: number): Promise<void> {
    await this.utils.addJob('bench', { dueMs });
  }

  async close(): Promise<void> {
    const ended = once(this.worker, 'exit');
    if (this.worker.connected) this.worker.disconnect();
    await ended;
    await this.utils.release();
    await this.pool.end();
  }
}
