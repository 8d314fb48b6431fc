import { Module, type Type } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { Database } from '@capstan/database';
import { CONFIG, Vault } from '@capstan/service-kit';
import { AccessController } from './access/access.controller.js';
import { Authenticator } from './access/authenticator.js';
import { AgentsController } from './agents/agents.controller.js';
import { DocsController } from './docs/docs.controller.js';
import type { GatewayConfig } from './gateway.config.js';
import { ForgeAppsController } from './forge-apps/forge-apps.controller.js';
import { ForgetLoop } from './forget/forget.loop.js';
import { HelpController } from './help/help.controller.js';
import { AnswerInterceptor } from './http/answer.interceptor.js';
import { DoorGuard } from './http/door.guard.js';
import { RateLimit } from './http/rate-limit.js';
import { EventTail } from './live/event-tail.js';
import { Live } from './live/live.js';
import { LogFeeds } from './live/log-feeds.js';
import { ParkedController } from './parked/parked.controller.js';
import { ParkedRequests } from './parked/parked-requests.js';
import { PodsController } from './pods/pods.controller.js';
import { ForgeAccessController } from './repositories/forge-access.controller.js';
import { RepositoriesController } from './repositories/repositories.controller.js';
import { RunsController } from './runs/runs.controller.js';
import { CredentialsController } from './secrets/credentials.controller.js';
import { ModelOrdersController } from './secrets/model-orders.controller.js';
import { SecretsController } from './secrets/secrets.controller.js';
import { TaskRequests } from './tasks/task-requests.js';
import { TaskRequestsController } from './tasks/task-requests.controller.js';
import { TasksController } from './tasks/tasks.controller.js';
import { WorkspaceController } from './workspace/workspace.controller.js';

/** Everything that serves routes. The boot check holds it against the contract. */
export const CONTROLLERS: readonly Type[] = [
  AccessController,
  WorkspaceController,
  RepositoriesController,
  ForgeAccessController,
  ForgeAppsController,
  SecretsController,
  CredentialsController,
  ModelOrdersController,
  TasksController,
  TaskRequestsController,
  RunsController,
  PodsController,
  AgentsController,
  ParkedController,
  HelpController,
  DocsController,
];

@Module({
  controllers: [...CONTROLLERS],
  providers: [
    EventTail,
    LogFeeds,
    Live,
    TaskRequests,
    ParkedRequests,
    ForgetLoop,
    {
      provide: Authenticator,
      inject: [Database, CONFIG],
      useFactory: (database: Database, config: GatewayConfig) => new Authenticator(database, config),
    },
    {
      provide: Vault,
      inject: [Database, CONFIG],
      useFactory: (database: Database, config: GatewayConfig) => new Vault(database, config.encryptionKey),
    },
    {
      provide: APP_GUARD,
      inject: [Authenticator, CONFIG],
      useFactory: (authenticator: Authenticator, config: GatewayConfig) =>
        new DoorGuard(authenticator, new RateLimit(config.publicRatePerMinute)),
    },
    {
      provide: APP_INTERCEPTOR,
      inject: [CONFIG],
      useFactory: (config: GatewayConfig) => new AnswerInterceptor(config.strictAnswers),
    },
  ],
})
export class GatewayModule {}
