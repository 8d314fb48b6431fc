import 'reflect-metadata';
import { agentRequested, parkedRowRequested, runStart, runStop } from '@capstan/events';
import { loadConfig, startService, type Host, type RunningService } from '@capstan/service-kit';
import { agentRunnerConfig } from './agent-runner.config.js';
import { AgentRunnerModule } from './agent-runner.module.js';

export const name = 'agent-runner';
export const config = agentRunnerConfig;

/** Starts the agent runner on a host. */
export function start(host: Host): Promise<RunningService> {
  return startService({
    name,
    module: AgentRunnerModule,
    host,
    config: loadConfig(config, host.env),
    consumes: [runStart, runStop, parkedRowRequested, agentRequested],
  });
}
