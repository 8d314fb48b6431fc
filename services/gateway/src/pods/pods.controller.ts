import { Controller } from '@nestjs/common';
import { routes } from '@capstan/api';
import { Database } from '@capstan/database';
import type { AskOf } from '../http/ask.js';
import { Serves } from '../http/serves.js';
import { listPods, listWorkers } from './pods.reader.js';

@Controller()
export class PodsController {
  constructor(private readonly database: Database) {}

  @Serves(routes.listPods)
  async pods({ caller: { workspaceId } }: AskOf<typeof routes.listPods>) {
    return { items: await this.database.transaction((tx) => listPods(tx, workspaceId), { workspaceId }) };
  }

  @Serves(routes.listWorkers)
  async workers({ caller: { workspaceId } }: AskOf<typeof routes.listWorkers>) {
    return { items: await this.database.transaction((tx) => listWorkers(tx), { workspaceId }) };
  }
}
