import { symptom } from './entry.js';

/** What a running service says of itself. */
export const HEALTH_SYMPTOMS = {
  starting: symptom({
    category: 'state',
    retryable: true,
    title: 'It is being started',
    cause: 'The service waits for Postgres, its schema or NATS.',
    remedy: 'Wait; the reason names what it waits for.',
  }),
  stopping: symptom({
    category: 'state',
    retryable: true,
    title: 'It is being stopped',
    cause: 'The service takes no more work and finishes what is in hand.',
    remedy: 'Nothing to do.',
  }),
  rows_parked: symptom({
    category: 'state',
    retryable: false,
    title: 'Something was set aside',
    cause: 'A step failed more often than is tried. It waits for a person; everything else goes on.',
    remedy: 'See why: capstan get parked, or the page Parked. Replay it when the cause is gone, or drop it.',
  }),
  check_timeout: symptom({
    category: 'timeout',
    retryable: true,
    title: 'A health check hangs',
    cause: 'The check gave no answer within 2 s.',
    remedy: 'Look at the load of the machine, and at what the check asks.',
  }),
  database_unavailable: symptom({
    category: 'network',
    retryable: true,
    title: 'Postgres can not be asked',
    cause: 'The connection to Postgres is lost, or it ends requests.',
    remedy: 'Nothing is lost: work goes on as soon as Postgres answers. Start it again, and look at its log.',
  }),
  database_full: symptom({
    category: 'resource',
    retryable: true,
    title: 'Postgres has no room',
    cause: 'The disk of Postgres is full.',
    remedy:
      'Make room on its disk; old runs’ logs go by themselves after 30 days. Work goes on as soon as there is room.',
  }),
  database_connections: symptom({
    category: 'resource',
    retryable: true,
    title: 'Postgres takes no more connections',
    cause: 'All connections that Postgres allows are in use.',
    remedy: 'Raise max_connections, lower CAPSTAN_DATABASE_POOL_SIZE, or put a pooler in front.',
  }),
  nats_unavailable: symptom({
    category: 'network',
    retryable: true,
    title: 'NATS is out of reach',
    cause: 'The connection to nats-server is lost.',
    remedy: 'Start nats-server again. Nothing is lost: until then work is found by the loops, seconds later.',
  }),
  telemetry_unreachable: symptom({
    category: 'network',
    retryable: true,
    title: 'Traces can not be sent',
    cause: 'The collector of OTEL_EXPORTER_OTLP_ENDPOINT does not answer.',
    remedy:
      'Start the collector, or unset OTEL_EXPORTER_OTLP_ENDPOINT. A collector without TLS needs OTEL_EXPORTER_OTLP_INSECURE. Nothing else is affected.',
  }),
  webhooks_unavailable: symptom({
    category: 'network',
    retryable: true,
    title: 'Deliveries can not be taken',
    cause: 'The gateway does not reach the webhooks service.',
    remedy: 'Start the webhooks service. Nothing is lost: deliver again, or let the sweeps find it.',
  }),
} as const;
