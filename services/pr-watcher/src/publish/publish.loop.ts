import {
  Bug,
  UserError,
  backoffMs,
  errorAdvice,
  errorText,
  isSymptomCode,
  symptomOf,
  type Id,
  type SymptomCode,
} from '@capstan/domain';
import { isDatabaseOutage, type AttentionJson, type Database } from '@capstan/database';
import type { Found, Logger } from '@capstan/service-kit';
import type { ForgeAccess } from '../forge-access.js';
import { InFlight } from '../in-flight.js';
import { decidePublish } from './publish.decide.js';
import { adopt, failPublish, refusePublish, requestOpen, requestPush, restPublish } from './publish.apply.js';
import { duePublishes, readPublish, type PublishSnapshot } from './publish.snapshot.js';
import type { Intake } from './intake.js';

const BACKOFF = { baseMs: 2_000, maxMs: 60_000 };
/** Failed tries of fetching and checking before a person is asked. */
const MAX_ATTEMPTS = 8;
/** Steps of one run in one go: adopt, prepare, wait. */
const MAX_STEPS = 5;

/** Takes finished runs from their commits to the wish to push them; the effects do the rest. */
export class Publish {
  private readonly inFlight = new InFlight(4);

  constructor(
    private readonly parts: {
      readonly database: Database;
      readonly access: ForgeAccess;
      readonly intake: Intake;
      readonly logger: Logger;
    },
  ) {}

  /** Begins work on every due run that is not at work already; it goes on after this has resolved. */
  async begin(limit: number): Promise<Found> {
    const room = Math.min(limit, this.inFlight.free);
    if (room === 0) return undefined;
    const due = await duePublishes(this.parts.database, room, this.inFlight.ids);
    for (const { id } of due) this.inFlight.begin(id, () => this.publish(id));
    return due.length === 0 ? 'nothing' : undefined;
  }

  /** Resolves when nothing is at work any more. */
  drain(): Promise<void> {
    return this.inFlight.drain();
  }

  /** Goes as far with one run as it can without waiting for an effect. Never rejects. */
  async publish(runId: Id): Promise<void> {
    const { database, logger } = this.parts;
    try {
      for (let step = 0; step < MAX_STEPS; step += 1) {
        const snapshot = await readPublish(database, runId);
        if (snapshot === null || (await this.step(snapshot)) === 'rest') return;
      }
    } catch (error) {
      logger.warn({ err: error, runId }, `publishing will be tried again: ${errorText(error)}`);
    }
  }

  private async step(snapshot: PublishSnapshot): Promise<'again' | 'rest'> {
    const { database, logger } = this.parts;
    const step = decidePublish(snapshot);
    const { pullRequest, run } = snapshot;
    switch (step.kind) {
      case 'ignore':
        logger.debug({ runId: run.id }, `not published: ${step.reason}`);
        return 'rest';
      case 'wait':
        await restPublish(database, pullRequest!.id, run.id);
        return 'rest';
      case 'adopt':
        return (await adopt(database, snapshot)) === 'applied' ? 'again' : 'rest';
      case 'open':
        await database.commit('request', (tx) => requestOpen(tx, pullRequest!, run.traceparent));
        return 'rest';
      case 'refuse':
        await database.transaction((tx) => refusePublish(tx, pullRequest!.id, run.id, step.refusal));
        return 'rest';
      case 'prepare':
        await this.prepare(snapshot, pullRequest!.id);
        return 'rest';
    }
  }

  private async prepare({ run }: PublishSnapshot, pullRequestId: Id): Promise<void> {
    const { database, access, intake } = this.parts;
    try {
      const verdict = await intake.prepare(await access.of(run.repositoryId, 'fetch'), run);
      if (verdict.kind === 'publish') return await requestPush(database, run, pullRequestId);
      const { code, detail } = verdict;
      await database.transaction((tx) => refusePublish(tx, pullRequestId, run.id, { code, detail }));
    } catch (error) {
      await this.failed(run, pullRequestId, error);
    }
  }

  private async failed(run: PublishSnapshot['run'], pullRequestId: Id, error: unknown): Promise<void> {
    const { database, logger } = this.parts;
    if (isDatabaseOutage(error)) throw error;
    if (error instanceof UserError) {
      const refusal = refusalOf(error, 'publish_refused_history');
      await database.transaction((tx) => refusePublish(tx, pullRequestId, run.id, refusal));
      return;
    }
    const [row] = await database.query<{ attempts: number }>('select attempts from pull_request where id = $1', [
      pullRequestId,
    ]);
    const wait = backoffMs((row?.attempts ?? 0) + 1, Math.random(), BACKOFF);
    const text = errorText(error);
    logger[error instanceof Bug ? 'error' : 'warn'](
      { err: error, runId: run.id },
      `the work could not be fetched or checked: ${text}`,
    );
    const outcome = await failPublish(database, pullRequestId, run.id, {
      error,
      delayMs: wait,
      maxAttempts: MAX_ATTEMPTS,
    });
    if (outcome === 'last')
      await database.transaction((tx) =>
        refusePublish(tx, pullRequestId, run.id, {
          code: 'effect_parked',
          detail: `Could not fetch and check the work: ${errorAdvice(error)}`,
        }),
      );
  }
}

/** What a person is told of an error: by its own code where the registry has it. */
export function refusalOf(
  { code, message, remedy }: { readonly code: string; readonly message: string; readonly remedy: string | undefined },
  otherwise: SymptomCode,
): AttentionJson {
  const own = isSymptomCode(code) ? code : otherwise;
  // The registry's remedy is shown beside the detail anyway.
  const more = remedy === symptomOf(own).remedy ? undefined : remedy;
  return { code: own, detail: [message, more].filter(Boolean).join('. ') };
}
