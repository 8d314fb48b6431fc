import { Inject, Controller } from '@nestjs/common';
import type { Database } from '@capstan/database';
import {
  deliveryReceived,
  effectRequested,
  effectSettled,
  parkedRowRequested,
  pullRequestChanged,
  secretChanged,
  taskChanged,
  ticketSourceChanged,
  ticketSourcePoll,
  type PayloadOf,
} from '@capstan/events';
import { Handles } from '@capstan/jetstream';
import { DATABASE } from '@capstan/service-kit';
import { TicketSync } from '../ticket-sync.js';
import { wakeSources } from './import.snapshot.js';

/** Every event that ticket-sync is woken by. */
export const CONSUMES = [
  ticketSourcePoll,
  ticketSourceChanged,
  deliveryReceived,
  secretChanged,
  taskChanged,
  pullRequestChanged,
  effectRequested,
  effectSettled,
  // Handled by the service kit's controller.
  parkedRowRequested,
];

/** Deliveries that may be about a new opening. */
const ISSUE_EVENTS = ['issues'];

/** Events wake; the loops read the state and act. */
@Controller()
export class ImportHandler {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(TicketSync) private readonly sync: TicketSync,
  ) {}

  @Handles(ticketSourcePoll)
  async onPoll({ ticketSourceId }: PayloadOf<typeof ticketSourcePoll>): Promise<void> {
    await wakeSources(this.database, { id: ticketSourceId });
    this.sync.wakeImport();
  }

  /** A new source is due by its row; a changed one is looked at by what its row says. */
  @Handles(ticketSourceChanged)
  async onSourceChanged(_payload: PayloadOf<typeof ticketSourceChanged>): Promise<void> {
    this.sync.wakeImport();
  }

  @Handles(deliveryReceived)
  async onDelivery({ deliveryId, repositoryId }: PayloadOf<typeof deliveryReceived>): Promise<void> {
    const [row] = await this.database.query<{ event: string }>('select event from delivery where id = $1', [
      deliveryId,
    ]);
    if (row === undefined || !ISSUE_EVENTS.includes(row.event)) return;
    await wakeSources(this.database, { repositoryId });
    this.sync.wakeImport();
  }

  /** A refused credential may have been replaced. */
  @Handles(secretChanged)
  async onSecretChanged({ workspaceId }: PayloadOf<typeof secretChanged>): Promise<void> {
    await wakeSources(this.database, { workspaceId });
    this.sync.wakeImport();
  }

  @Handles(taskChanged)
  async onTaskChanged(_payload: PayloadOf<typeof taskChanged>): Promise<void> {
    this.sync.wakeReport();
  }

  @Handles(pullRequestChanged)
  async onPullRequestChanged(_payload: PayloadOf<typeof pullRequestChanged>): Promise<void> {
    this.sync.wakeReport();
  }

  @Handles(effectRequested)
  async onEffectRequested(_payload: PayloadOf<typeof effectRequested>): Promise<void> {
    this.sync.wakeEffects();
  }

  /** The next comment waits for the one before it. */
  @Handles(effectSettled)
  async onEffectSettled({ kind }: PayloadOf<typeof effectSettled>): Promise<void> {
    if (kind === 'comment_ticket') this.sync.wakeReport();
  }
}
