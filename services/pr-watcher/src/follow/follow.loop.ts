import { backoffMs, errorText } from '@capstan/domain';
import { isDatabaseOutage, type Database } from '@capstan/database';
import type { Found, Logger } from '@capstan/service-kit';
import type { ForgeAccess } from '../forge-access.js';
import { applyGlance } from '../glance/glance.apply.js';
import { decideGlance } from '../glance/glance.decide.js';
import { readGlance } from '../glance/glance.snapshot.js';
import { InFlight } from '../in-flight.js';
import { applyFollow, failFollow } from './follow.apply.js';
import { decideFollow } from './follow.decide.js';
import { claimDue, readFollow, wakeSeldomLookedAt, type Claim } from './follow.snapshot.js';

const BACKOFF = { baseMs: 2_000, maxMs: 120_000 };
/** Surprises (never a forge's outage) before a row is parked for a person. */
const MAX_ATTEMPTS = 8;

/** Looks at due pull requests, each at one replica at a time. */
export class Follow {
  private readonly inFlight = new InFlight(8);
  private hasBegun = false;

  constructor(
    private readonly parts: {
      readonly database: Database;
      readonly access: ForgeAccess;
      readonly logger: Logger;
      readonly intervalMs: number;
    },
  ) {}

  /** Begins a look at every due pull request; they go on after this has resolved. */
  async begin(limit: number): Promise<Found> {
    const room = Math.min(limit, this.inFlight.free);
    if (room === 0) return undefined;
    if (!this.hasBegun) await wakeSeldomLookedAt(this.parts.database, this.parts.intervalMs);
    this.hasBegun = true;
    const due = await claimDue(this.parts.database, room);
    for (const claim of due) this.inFlight.begin(claim.id, () => this.look(claim));
    return due.length === 0 ? 'nothing' : undefined;
  }

  /** Resolves when nothing is at work any more. */
  drain(): Promise<void> {
    return this.inFlight.drain();
  }

  /** One look: read, decide, write; a glance first, where it may do. Never rejects. */
  private async look(claim: Claim): Promise<void> {
    const { database, logger, intervalMs } = this.parts;
    const pace = { intervalMs, random: Math.random() };
    try {
      if (await this.glance(claim, pace)) return;
      const snapshot = await readFollow(this.parts, claim.id, pace);
      if (snapshot === null) return;
      const plan = decideFollow(snapshot);
      const applied = await applyFollow(database, claim, snapshot, plan);
      if (applied === 'applied' && plan.patch.decision !== snapshot.pullRequest.decision)
        logger.info({ pullRequestId: claim.id, taskId: snapshot.pullRequest.taskId }, plan.patch.decision);
    } catch (error) {
      await this.failed(claim, error);
    }
  }

  /** Whether a glance was all that this look needed. */
  private async glance(claim: Claim, pace: { readonly intervalMs: number; readonly random: number }): Promise<boolean> {
    const snapshot = await readGlance(this.parts, claim, pace);
    const plan = snapshot && decideGlance(snapshot);
    if (snapshot === null || plan === null) return false;
    await applyGlance(this.parts.database, claim, snapshot.pullRequest, plan);
    return true;
  }

  private async failed(claim: Claim, error: unknown): Promise<void> {
    const { database, logger } = this.parts;
    logger.error({ err: error, pullRequestId: claim.id }, `looking at a pull request failed: ${errorText(error)}`);
    // Without the database nothing can be written down: the claim lapses by itself.
    if (isDatabaseOutage(error)) return;
    try {
      const [row] = await database.query<{ attempts: number }>('select attempts from pull_request where id = $1', [
        claim.id,
      ]);
      const delayMs = backoffMs((row?.attempts ?? 0) + 1, Math.random(), BACKOFF);
      await failFollow(database, claim, { error, delayMs, maxAttempts: MAX_ATTEMPTS });
    } catch (second) {
      logger.error({ err: second, pullRequestId: claim.id }, 'the failure could not be written down');
    }
  }
}
