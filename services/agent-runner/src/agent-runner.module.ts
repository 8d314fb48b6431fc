import { join, resolve } from 'node:path';
import { Module } from '@nestjs/common';
import { Database } from '@capstan/database';
import { createRuntime } from '@capstan/runtimes';
import { CONFIG, Vault } from '@capstan/service-kit';
import { supervisorFile } from '@capstan/supervisor';
import type { AgentRunnerConfig } from './agent-runner.config.js';
import { LeaseRunHandler } from './lease-run/lease-run.handler.js';
import { LeaseRunLoop, RUNNER_CAPACITY } from './lease-run/lease-run.loop.js';
import { RunnerPool } from './lease-run/runner-pool.js';
import { RUNTIME } from './tokens.js';

@Module({
  controllers: [LeaseRunHandler],
  providers: [
    RunnerPool,
    LeaseRunLoop,
    { provide: RUNNER_CAPACITY, useFactory: (pool: RunnerPool) => () => pool.free, inject: [RunnerPool] },
    {
      provide: RUNTIME,
      useFactory: (config: AgentRunnerConfig) =>
        createRuntime({
          kind: config.CAPSTAN_RUNTIME,
          directory: resolve(join(config.CAPSTAN_DATA_DIR, 'pods')),
          supervisorFile: supervisorFile(),
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
