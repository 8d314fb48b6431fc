import { Controller } from '@nestjs/common';
import { routes } from '@capstan/api';
import { Database } from '@capstan/database';
import type { AskOf } from '../http/ask.js';
import { Serves } from '../http/serves.js';
import { listPullRequests, readPullRequest } from './pull-requests.reader.js';
import { readRunNetwork } from './run-network.reader.js';
import { readLogPage, readRun } from './runs.reader.js';

@Controller()
export class RunsController {
  constructor(private readonly database: Database) {}

  @Serves(routes.run)
  run({ caller: { workspaceId }, params }: AskOf<typeof routes.run>) {
    return this.database.transaction((tx) => readRun(tx, workspaceId, params.runId), { workspaceId });
  }

  @Serves(routes.runLog)
  log({ caller: { workspaceId }, params, query }: AskOf<typeof routes.runLog>) {
    return this.database.transaction((tx) => readLogPage(tx, workspaceId, params.runId, query), { workspaceId });
  }

  @Serves(routes.runNetwork)
  network({ caller: { workspaceId }, params }: AskOf<typeof routes.runNetwork>) {
    return this.database.transaction((tx) => readRunNetwork(tx, workspaceId, params.runId), { workspaceId });
  }

  @Serves(routes.pullRequest)
  pullRequest({ caller: { workspaceId }, params }: AskOf<typeof routes.pullRequest>) {
    return this.database.transaction((tx) => readPullRequest(tx, workspaceId, params.pullRequestId), { workspaceId });
  }

  @Serves(routes.listPullRequests)
  pullRequests({ caller: { workspaceId }, query }: AskOf<typeof routes.listPullRequests>) {
    return this.database.transaction((tx) => listPullRequests(tx, workspaceId, query), { workspaceId });
  }
}
