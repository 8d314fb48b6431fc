import 'reflect-metadata';
import { startService, type Host, type RunningService } from '@capstan/service-kit';
import { egressConfig, readEgressConfig } from './egress.config.js';
import { EgressModule } from './egress.module.js';
import { VERIFIER_CONSUMES } from './verify-credential/verify-credential.handler.js';

export const name = 'egress';
export { egressConfig as config };

/** The only way out of a pod. */
export function start(host: Host): Promise<RunningService> {
  const config = readEgressConfig(host.env);
  return startService({ name, module: EgressModule.with(config), consumes: VERIFIER_CONSUMES, config, host });
}
