import { Controller } from '@nestjs/common';
import { routes } from '@capstan/api';
import { Database } from '@capstan/database';
import type { AskOf } from '../http/ask.js';
import { Serves } from '../http/serves.js';
import { ParkedRequests, readParkedRequest } from './parked-requests.js';
import { listParked } from './parked.reader.js';

/** The dead letters. */
@Controller()
export class ParkedController {
  constructor(
    private readonly database: Database,
    private readonly requests: ParkedRequests,
  ) {}

  @Serves(routes.listParked)
  list({ caller: { workspaceId }, query }: AskOf<typeof routes.listParked>) {
    return this.database.transaction((tx) => listParked(tx, workspaceId, query), { workspaceId });
  }

  @Serves(routes.replayParked)
  replay({ caller, params, body }: AskOf<typeof routes.replayParked>) {
    return this.requests.ask(caller, { kind: params.kind, id: params.rowId }, 'replay', body?.reason ?? null);
  }

  @Serves(routes.dropParked)
  drop({ caller, params, body }: AskOf<typeof routes.dropParked>) {
    return this.requests.ask(caller, { kind: params.kind, id: params.rowId }, 'drop', body?.reason ?? null);
  }

  @Serves(routes.replayAllParked)
  async replayAll({ caller, body }: AskOf<typeof routes.replayAllParked>) {
    return { requested: await this.requests.askAll(caller, body?.kind) };
  }

  @Serves(routes.parkedRequest)
  request({ caller: { workspaceId }, params }: AskOf<typeof routes.parkedRequest>) {
    return this.database.transaction((tx) => readParkedRequest(tx, workspaceId, params.requestId), { workspaceId });
  }
}
