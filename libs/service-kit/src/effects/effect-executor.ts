import {
  Bug,
  TransientError,
  UserError,
  backoffMs,
  errorAdvice,
  errorText,
  mayLeave,
  noFaults,
  EFFECT_TIMEOUT_MS,
  type EffectKind,
  type FaultPort,
  type Id,
} from '@capstan/domain';
import {
  claimEffects,
  isDatabaseOutage,
  returnEffect,
  rowError,
  settleEffect,
  standingOf,
  type ClaimedEffect,
  type Database,
  type Effect,
  type EffectResult,
  type Tx,
} from '@capstan/database';
import { SpanKind, SpanStatusCode, type Span } from '@opentelemetry/api';
import type { Counter, Metrics } from '../telemetry/metrics.js';
import { inSpan } from '../telemetry/tracing.js';

/** What became of one try. `refused` is final: the remote, or a guard of ours, said no. */
export type EffectOutcome = ({ readonly kind: 'done' } & EffectResult) | ({ readonly kind: 'refused' } & EffectResult);

/** What a handler acts under. */
export interface WriteContext {
  readonly signal: AbortSignal;
  beforeWrite(): Promise<void>;
}

/** How one kind of effect is executed by the service that holds the credential. */
export interface EffectHandler {
  /** Looks whether the remote already shows the effect; null when it doesn't. Never writes. */
  look(effect: Effect, signal: AbortSignal): Promise<EffectOutcome | null>;
  /**
   * Acts once, under the remote's own guard. `beforeWrite` must be awaited immediately before each request that writes:
   * it rejects when the claim was lost or its deadline has passed, and while the workspace is paused.
   */
  act(effect: Effect, context: WriteContext): Promise<EffectOutcome>;
  /** Rows of the executing service that go with the result, in the transaction that settles the effect. */
  record?(tx: Tx, effect: Effect, outcome: EffectOutcome): Promise<void>;
}

export interface EffectExecutorOptions {
  readonly database: Database;
  /** Name of the service. */
  readonly executor: string;
  /** Name of this replica. */
  readonly owner: string;
  readonly handlers: Partial<Record<EffectKind, EffectHandler>>;
  /** Effects at work at the same time. Default 8. */
  readonly concurrency?: number;
  readonly random?: () => number;
  readonly report: (level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>) => void;
  /** Where tries are counted. */
  readonly metrics?: Metrics;
  readonly faults?: FaultPort;
}

const BACKOFF = { baseMs: 1_000, maxMs: 120_000 };

/**
 * Carries effects out: claim, look, act, record (DESIGN §3.7). Exactly-once comes from four things together: one row
 * per key, one claim at a time, no request after the deadline, and a look before every act.
 */
export class EffectExecutor {
  private readonly atWork = new Set<Promise<void>>();
  private readonly settled: Counter | undefined;
  private stopping = false;
  private found = 0;

  constructor(private readonly options: EffectExecutorOptions) {
    this.settled = options.metrics?.counter(
      'capstan_effects_total',
      'Tries of writes to the outside world, by kind and outcome (done, refused, tried_again)',
    );
  }

  /** Nothing was due when it last looked, and nothing is at work. */
  get isQuiet(): boolean {
    return this.found === 0 && this.atWork.size === 0;
  }

  /** Executes due effects until none is left (or the one named). Wakes and resync both call this. */
  async run(effectId?: Id): Promise<void> {
    const { database, executor, owner, concurrency = 8, faults = noFaults } = this.options;
    while (!this.stopping) {
      const free = concurrency - this.atWork.size;
      if (free <= 0) {
        await Promise.race(this.atWork);
        continue;
      }
      await faults('claim.before');
      const claimed = await claimEffects(database, executor, owner, {
        limit: free,
        ...(effectId === undefined ? {} : { effectId }),
      });
      this.found = claimed.length;
      if (claimed.length === 0) break;
      await faults('claim.after');
      for (const claim of claimed) {
        const work = this.execute(claim).finally(() => this.atWork.delete(work));
        this.atWork.add(work);
      }
    }
    await Promise.all(this.atWork);
  }

  /** Takes nothing new and waits for what is at work. */
  async close(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.atWork);
  }

  private execute(claim: ClaimedEffect): Promise<void> {
    const { kind, traceparent, attempts } = claim.effect;
    const attributes = { 'capstan.effect.kind': kind, 'capstan.effect.attempts': attempts };
    return inSpan(`effect ${kind}`, { kind: SpanKind.CLIENT, traceparent, attributes }, (span) =>
      this.carryOut(claim, span),
    );
  }

  private async carryOut(claim: ClaimedEffect, span: Span): Promise<void> {
    const { effect } = claim;
    const { faults = noFaults } = this.options;
    let sent = false;
    try {
      const handler = this.options.handlers[effect.kind];
      if (handler === undefined) throw new Bug(`${this.options.executor} has no handler for ${effect.kind}`);
      await faults('look.before');
      let outcome = await handler.look(effect, AbortSignal.timeout(EFFECT_TIMEOUT_MS));
      await faults('look.after');
      if (outcome === null) {
        const beforeWrite = async (): Promise<void> => {
          await this.requireStanding(effect);
          if (!mayLeave({ now: performance.now(), deadline: claim.deadline }))
            throw new TransientError('The claim ran out before the request could leave', { code: 'effect_deadline' });
          sent = true;
        };
        await faults('act.before');
        outcome = await handler.act(effect, { signal: AbortSignal.timeout(EFFECT_TIMEOUT_MS), beforeWrite });
        await faults('act.after');
      }
      await this.settle(effect, handler, outcome);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: errorText(error) });
      await this.giveBack(claim, error, sent);
    }
  }

  /** What was claimed a moment ago may be paused or taken over by now. */
  private async requireStanding(effect: Effect): Promise<void> {
    const standing = await standingOf(this.options.database, effect);
    if (standing === 'lost') throw new TransientError('Somebody else has the effect by now', { code: 'claim_lost' });
    if (standing === 'paused')
      throw new TransientError('The workspace was paused', { code: 'workspace_paused', retryAfterMs: 0 });
  }

  private async settle(effect: Effect, handler: EffectHandler, outcome: EffectOutcome): Promise<void> {
    await this.options.database.commit('record', async (tx) => {
      const state = await settleEffect(tx, effect, { ...outcome, state: outcome.kind });
      if (state === 'applied') await handler.record?.(tx, effect, outcome);
    });
    this.count(effect, outcome.kind);
    this.options.report('info', `effect ${outcome.kind}`, {
      effectId: effect.id,
      taskId: effect.taskId,
      kind: effect.kind,
      remoteId: outcome.remoteId,
    });
  }

  private count({ kind }: Effect, outcome: EffectOutcome['kind'] | 'tried_again'): void {
    this.settled?.add({ kind, outcome });
  }

  private async giveBack(claim: ClaimedEffect, error: unknown, sent: boolean): Promise<void> {
    const { database, report, random = Math.random } = this.options;
    const { effect, deadline } = claim;
    const fields = {
      effectId: effect.id,
      taskId: effect.taskId,
      kind: effect.kind,
      attempts: effect.attempts,
      error: errorText(error),
    };
    try {
      if (error instanceof UserError) {
        const handler = this.options.handlers[effect.kind];
        const result = { error: error.message, code: error.code, remedy: error.remedy ?? null };
        if (handler !== undefined) await this.settle(effect, handler, { kind: 'refused', remoteId: null, result });
        report('warn', 'effect refused', fields);
        return;
      }
      const wait =
        error instanceof TransientError && error.retryAfterMs !== undefined
          ? error.retryAfterMs
          : backoffMs(effect.attempts, random(), BACKOFF);
      // A request that left may still arrive: nobody repeats it before the claim's deadline.
      const delayMs = sent ? Math.max(wait, deadline - performance.now()) : wait;
      const paused = error instanceof TransientError && error.code === 'workspace_paused';
      const counted = !paused && !isDatabaseOutage(error);
      this.count(effect, 'tried_again');
      await returnEffect(database, effect, {
        error: errorAdvice(error),
        code: rowError(error).code,
        delayMs: Math.ceil(delayMs),
        counted,
      });
      report(error instanceof TransientError ? 'warn' : 'error', 'effect will be tried again', { ...fields, delayMs });
    } catch (second) {
      // The claim lapses by itself; another try takes it over one deadline later.
      report('error', 'effect could not be given back', { ...fields, second: errorText(second) });
    }
  }
}
