import { join, resolve } from 'node:path';
import { Module } from '@nestjs/common';
import { Database } from '@capstan/database';
import { createRuntime, type Runtime } from '@capstan/runtimes';
import { CONFIG, Vault, localIsolation, parkedRows } from '@capstan/service-kit';
import { supervisorFile } from '@capstan/supervisor';
import type { AgentRunnerConfig } from './agent-runner.config.js';
import { ForgetLogsLoop } from './forget-logs/forget-logs.loop.js';
import { LeaseRunHandler } from './lease-run/lease-run.handler.js';
import { LeaseRunLoop, RUNNER_CAPACITY } from './lease-run/lease-run.loop.js';
import { RunnerPool } from './lease-run/runner-pool.js';
import { LookAtAgents } from './look-at-agents/look-at-agents.loop.js';
import { parkedVerbs } from './parked/parked-rows.apply.js';
import { AgentRequestsHandler } from './test-agent/agent-requests.handler.js';
import { AgentRequests } from './test-agent/agent-requests.js';
import { RUNTIME } from './tokens.js';

const parked = parkedRows('agent-runner', [RunnerPool, RUNTIME], (pool: RunnerPool, runtime: Runtime) =>
  parkedVerbs({ lease: (runId) => pool.lease({ runId, takeOver: true }), runtime: () => runtime }),
);

@Module({
  controllers: [LeaseRunHandler, AgentRequestsHandler, ...parked.controllers],
  providers: [
    ...parked.providers,
    RunnerPool,
    LeaseRunLoop,
    ForgetLogsLoop,
    LookAtAgents,
    AgentRequests,
    { provide: RUNNER_CAPACITY, useFactory: (pool: RunnerPool) => () => pool.free, inject: [RunnerPool] },
    {
      provide: RUNTIME,
      useFactory: (config: AgentRunnerConfig) =>
        createRuntime({
          kind: config.CAPSTAN_RUNTIME,
          directory: resolve(join(config.CAPSTAN_DATA_DIR, 'pods')),
          supervisorFile: supervisorFile(),
          isolation: localIsolation(config),
        }),
      inject: [CONFIG],
    },
    {
      provide: Vault,
      useFactory: (database: Database, config: AgentRunnerConfig) => new Vault(database, config.CAPSTAN_ENCRYPTION_KEY),
      inject: [Database, CONFIG],
    },
  ],
})
export class AgentRunnerModule {}
