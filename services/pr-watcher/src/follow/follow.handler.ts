import { Inject, Controller } from '@nestjs/common';
import type { Database, Delivery } from '@capstan/database';
import {
  deliveryReceived,
  effectRequested,
  parkedRowRequested,
  pullRequestChanged,
  pullRequestCheck,
  repositoryChanged,
  runFinished,
  secretChanged,
  workspaceChanged,
  type PayloadOf,
} from '@capstan/events';
import { Handles } from '@capstan/jetstream';
import { DATABASE } from '@capstan/service-kit';
import { hearDelivery } from '../hear/hear.apply.js';
import { Watcher } from '../watcher.js';
import { wakePullRequests } from './follow.snapshot.js';

/** Every event that pr-watcher is woken by. */
export const CONSUMES = [
  runFinished,
  effectRequested,
  pullRequestChanged,
  pullRequestCheck,
  deliveryReceived,
  workspaceChanged,
  repositoryChanged,
  secretChanged,
  // Handled by the service kit's controller.
  parkedRowRequested,
];

/** Events wake; the loops read the state and act. What an event adds is written to the row first. */
@Controller()
export class FollowHandler {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(Watcher) private readonly watcher: Watcher,
  ) {}

  @Handles(runFinished)
  async onRunFinished(_payload: PayloadOf<typeof runFinished>): Promise<void> {
    this.watcher.wakePublish();
  }

  @Handles(effectRequested)
  async onEffectRequested(_payload: PayloadOf<typeof effectRequested>): Promise<void> {
    this.watcher.wakeEffects();
  }

  /** A row that became due by somebody's write is looked at at once; one that did not is left alone. */
  @Handles(pullRequestChanged)
  async onPullRequestChanged(_payload: PayloadOf<typeof pullRequestChanged>): Promise<void> {
    this.watcher.wakeFollow();
  }

  /** A person wants to know now: a parked row is taken up again. */
  @Handles(pullRequestCheck)
  async onPullRequestCheck({ taskId }: PayloadOf<typeof pullRequestCheck>): Promise<void> {
    await wakePullRequests(this.database, { taskId }, { unpark: true });
    this.watcher.wakeFollow();
    this.watcher.wakePublish();
  }

  @Handles(deliveryReceived)
  async onDelivery({ deliveryId }: PayloadOf<typeof deliveryReceived>): Promise<void> {
    const [row] = await this.database.query<Delivery>('select * from delivery where id = $1', [deliveryId]);
    if (row === undefined) return;
    if ((await hearDelivery(this.database, row)) > 0) this.watcher.wakeFollow();
  }

  @Handles(workspaceChanged)
  async onWorkspaceChanged({ workspaceId }: PayloadOf<typeof workspaceChanged>): Promise<void> {
    await this.wakeAll({ workspaceId });
  }

  @Handles(repositoryChanged)
  async onRepositoryChanged({ repositoryId }: PayloadOf<typeof repositoryChanged>): Promise<void> {
    await this.wakeAll({ repositoryId });
  }

  @Handles(secretChanged)
  async onSecretChanged({ workspaceId }: PayloadOf<typeof secretChanged>): Promise<void> {
    await this.wakeAll({ workspaceId });
  }

  private async wakeAll(which: Parameters<typeof wakePullRequests>[1]): Promise<void> {
    await wakePullRequests(this.database, which);
    this.watcher.wakeFollow();
  }
}
