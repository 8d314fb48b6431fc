// The worker's process: `graphile-worker.js DATABASE_URL SETTINGS`. It tells its parent when each job began, and ends
// with the parent's channel.
import { Logger, run } from 'graphile-worker';
import { setClock, wallMs } from './clock.js';
import type { GraphileMessage } from './graphile-queue.js';

const [connectionString, settings] = process.argv.slice(2);
const tell = (message: GraphileMessage): void => void process.send?.(message);

setClock();
const runner = await run({
  connectionString: connectionString!,
  logger: new Logger(() => () => undefined),
  noHandleSignals: true,
  concurrency: 10,
  ...(settings === 'local queue' ? { preset: { worker: { localQueue: { size: 11 } } } } : {}),
  taskList: {
    bench: (payload) => {
      const begunMs = wallMs();
      tell({ dueMs: (payload as { dueMs: number }).dueMs, begunMs });
    },
  },
});
process.once('disconnect', () => void runner.stop().finally(() => process.exit(0)));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
tell({ ready: true });
