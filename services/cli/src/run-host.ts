import { UserError, errorText, type FaultPort } from '@capstan/domain';
import { openHost, type Host } from '@capstan/service-kit';
import { describeError } from './exit-code.js';
import { hostProcessConfig } from './host.config.js';
import { HOST_REFUSED, type HostMessage } from './launcher/host-messages.js';
import { loadService } from './load-service.js';

/** On top of the services' grace: to close connections, and then the process ends whatever still runs. */
const LAST_MOMENTS_MS = 8_000;

function tell(message: HostMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) return resolve();
    process.send(message, () => resolve());
  });
}

export interface RunHostOptions {
  /** For the crash suite's own program; nothing else listens at fault points. */
  readonly faults?: FaultPort;
}

/**
 * Runs the services of CAPSTAN_SERVICES, each its own application, on one pool and one NATS connection, and ends the
 * process with them. Under the launcher it reports over the process channel and stops when that closes; alone (in a
 * container) SIGTERM stops it.
 */
export async function runHost(options: RunHostOptions = {}): Promise<never> {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
  process.on('message', () => stop.abort());
  process.on('disconnect', () => stop.abort());
  try {
    await serve(stop.signal, options);
    process.exitCode = 0;
  } catch (error) {
    if (!stop.signal.aborted) await refuse(error);
  }
  // Whatever still holds the loop has been told to stop and had its time.
  process.exit();
}

async function serve(signal: AbortSignal, { faults }: RunHostOptions): Promise<void> {
  const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  const { services, env } = hostProcessConfig();
  const mains = await Promise.all(services.map(loadService));
  const host: Host = await openHost({ env, services: mains, signal, ...(faults && { faults }) });
  signal.addEventListener('abort', () => endLater(host), { once: true });
  try {
    for (const main of mains) {
      signal.throwIfAborted();
      await host.start(main);
      await tell({ kind: 'service', service: main.name });
    }
    await tell({ kind: 'ready' });
    await ended;
  } finally {
    // In reverse order of the start: intake (gateway, webhooks, ticket-sync) first.
    await host.close();
  }
}

/** The services name what of theirs doesn't end; should even that hang, the process ends all the same. */
function endLater({ config, logger, services }: Host): void {
  const withinMs = config.CAPSTAN_STOP_GRACE_MS + LAST_MOMENTS_MS;
  setTimeout(() => {
    const names = services.map(({ name }) => name).join(', ');
    logger.fatal({ withinMs }, `the process ends now: ${names} didn't within ${withinMs / 1000} s`);
    process.exit(1);
  }, withinMs).unref();
}

async function refuse(error: unknown): Promise<void> {
  const refused = error instanceof UserError;
  process.stderr.write(`${refused ? describeError(error) : ((error as Error).stack ?? errorText(error))}\n`);
  await tell(
    refused
      ? { kind: 'refused', code: error.code, message: errorText(error), remedy: error.remedy }
      : { kind: 'failed', message: describeError(error) },
  );
  process.exitCode = refused ? HOST_REFUSED : 1;
}
