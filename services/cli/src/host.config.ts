import { cliConfig, type CliConfig } from './cli.config.js';

export interface HostProcessConfig {
  readonly services: CliConfig['services'];
  /** The whole environment, for the services' own schemas. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What the host's process reads. @throws UserError with every fault at once. */
export function hostProcessConfig(): HostProcessConfig {
  const { services, environment } = cliConfig();
  return { services, env: environment };
}
