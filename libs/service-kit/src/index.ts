export * from './boot/start-service.js';
export * from './boot/tokens.js';
export { baseConfig, flag, integer, type BaseConfig } from './config/base.js';
export { assertConfigs, ConfigError, loadConfig, oneOf, type ConfigFault, type Environment } from './config/config.js';
export { isolationSettings, localIsolation } from './config/isolation.js';
export { logInSettings } from './config/log-in.js';
export { isPlaceholder } from './config/placeholder.js';
export * from './effects/effect-executor.js';
export { Health, type CheckFault, type CheckResult, type HealthReport } from './health/health.js';
export { openHost, type Host, type HostOptions, type ServiceMain } from './host/host.js';
export { answerProblem, ProblemFilter } from './http-errors/problem.filter.js';
export { problemOf } from './http-errors/problem.js';
export { parkedEffect, type ParkedEffectOptions } from './parked/parked-effect.js';
export * from './parked/parked-requests.js';
export { parkedRows } from './parked/parked-row.handler.js';
export { Relay } from './relay/relay.js';
export { coalesce } from './resync/coalesce.js';
export { Loops } from './resync/loops.js';
export { everyLoop, resync, type EveryOptions, type Found, type Loop, type ResyncOptions } from './resync/resync.js';
export { DAY_MS, keepDays } from './retention/keep-days.js';
export { retainedTable } from './retention/retained-table.js';
export { decideRetention, type RetentionRow } from './retention/retention.decide.js';
export { retentionLoop } from './retention/retention-loop.js';
export { Retention, type RetentionRule } from './retention/retention.js';
export { readRunToken, runToken } from './run-token.js';
export { UNTRACED } from './telemetry/collector.js';
export { openLogger, type Logger } from './telemetry/logger.js';
export { Metrics, type Counter, type Gauge, type Histogram } from './telemetry/metrics.js';
export { redactText } from './telemetry/redact.js';
export {
  currentRequestId,
  inSpan,
  unrecorded,
  traceparent,
  traceparentOrNew,
  type SpanOptions,
} from './telemetry/tracing.js';
export * from './forge-credential.js';
export * from './network/address.decide.js';
export * from './vault.js';
