import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Metrics } from './metrics.js';

/** Memory, processor and event loop of this process. Answers what stops the measuring. */
export function measureProcess(metrics: Metrics): () => void {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  metrics.gauge('capstan_process_resident_memory_bytes', 'Resident memory', (gauge) =>
    gauge.set(process.memoryUsage.rss()),
  );
  metrics.gauge('capstan_process_heap_used_bytes', 'JavaScript heap in use', (gauge) =>
    gauge.set(process.memoryUsage().heapUsed),
  );
  metrics.gauge('capstan_process_cpu_seconds_total', 'Processor time since start', (gauge) => {
    const { user, system } = process.cpuUsage();
    gauge.set((user + system) / 1e6);
  });
  metrics.gauge('capstan_event_loop_delay_p99_seconds', 'Event loop delay since the last reading', (gauge) => {
    gauge.set(delay.percentile(99) / 1e9);
    delay.reset();
  });
  return () => delay.disable();
}
