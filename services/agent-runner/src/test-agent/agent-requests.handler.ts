import { Controller, type OnApplicationBootstrap } from '@nestjs/common';
import { agentRequested, type PayloadOf } from '@capstan/events';
import { Handles } from '@capstan/jetstream';
import { Loops } from '@capstan/service-kit';
import { AgentRequests } from './agent-requests.js';

/** For what no event told of, and what waited for a place. */
const RESYNC_MS = 10_000;
const QUIET_MS = 60_000;

/** The event wakes; the row says what is wanted. Acknowledged once it is claimed. */
@Controller()
export class AgentRequestsHandler implements OnApplicationBootstrap {
  constructor(
    private readonly requests: AgentRequests,
    private readonly loops: Loops,
  ) {}

  onApplicationBootstrap(): void {
    this.loops.resync({
      name: 'agent requests',
      everyMs: RESYNC_MS,
      quietMs: QUIET_MS,
      due: (limit) => this.requests.due(limit),
      handle: ({ id }) => this.requests.begin(id),
    });
  }

  @Handles(agentRequested)
  async asked({ requestId }: PayloadOf<typeof agentRequested>): Promise<void> {
    await this.requests.begin(requestId);
  }
}
