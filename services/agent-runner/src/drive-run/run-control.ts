import {
  TransientError,
  UserError,
  errorText,
  type CommandRequest,
  type RunLimitReached,
  type RunOutcome,
} from '@capstan/domain';
import { cleanHiddenText, type AgentAdapter, type ParseState } from '@capstan/agents';
import type { Database, Run, RunCommand, RunCommandAnswerJson } from '@capstan/database';
import type { SupervisorClient } from '@capstan/runtimes';
import type { RenewedRun } from '../lease-run/lease-run.apply.js';
import { FencedError } from '../write-log/log-writer.js';
import { openCommands, recordAnswer } from './run-control.apply.js';
import { Ended } from './run-end.js';

export interface ControlParts {
  readonly database: Database;
  readonly supervisor: SupervisorClient;
  readonly agent: AgentAdapter;
  readonly run: Pick<Run, 'id' | 'epoch' | 'state' | 'limits' | 'agent'>;
  /** Repeats a call until the pod answers, or is known to be gone. */
  readonly reach: <T>(call: () => Promise<T>) => Promise<T>;
  readonly log: (level: 'info' | 'warn', message: string, fields?: Record<string, unknown>) => void;
}

/**
 * What is said to a run's agent through its supervisor: the stop, a limit that was reached, and what people say. Each
 * has an id of its own, under which the supervisor carries it out once, however often it is sent.
 */
export class RunControl {
  private stopSent: Promise<void> | undefined;
  private limitSent: Promise<void> | undefined;
  private speaking: Promise<void> | undefined;
  private inputEnded: Promise<void> | undefined;
  private mayStart = false;

  constructor(private readonly parts: ControlParts) {}

  /** Calls `failed` when the stop didn't arrive, so that somebody asks again. */
  stop(failed: () => void): void {
    this.stopSent ??= this.send(
      { id: `stop-${this.parts.run.epoch}`, command: 'stop' },
      'agent is being stopped',
    ).catch((error: unknown) => {
      this.stopSent = undefined;
      failed();
      this.parts.log('warn', 'the agent could not be stopped yet', { error: errorText(error) });
    });
  }

  /** What the renewal says of a run whose agent is at work, and what is known of the agent by then. */
  heed(
    { commanded, spent, limitedUntil }: Omit<RenewedRun, 'id' | 'epoch' | 'unwanted' | 'paused'>,
    state: ParseState,
  ): void {
    if (spent !== null) this.limit('cost_limit', `The task has cost $${spent.costUsd} of $${spent.maxCostUsd}`);
    // Its program would wait as well, in a slot that others need, and reach its deadline there.
    if (limitedUntil !== null && this.parts.agent.credentials.length > 0)
      this.limit('given_up', `Every key of the model's provider is at its limit until ${limitedUntil}`);
    this.watch(state);
    if (!commanded) return;
    // What fails is said again at the next renewal.
    this.speak().catch((error: unknown) =>
      this.parts.log('warn', 'the agent could not be spoken to yet', { error: errorText(error) }),
    );
  }

  /** Stops the agent for a limit: the run is then judged as having reached it, whoever judges it. */
  private limit(limit: RunLimitReached, text: string): void {
    this.limitSent ??= this.send({ id: limit, command: 'stop', limit, text }, `${text}: agent is being stopped`).catch(
      (error: unknown) => {
        this.limitSent = undefined;
        this.parts.log('warn', 'the agent could not be stopped at its limit yet', { error: errorText(error) });
      },
    );
  }

  /** Acts on what the agent's output told of it: ends a run that takes too many turns or is hopeless, or has no more to do. */
  watch({ turns, hopeless, idle }: Pick<ParseState, 'turns' | 'hopeless' | 'idle'>): void {
    const most = this.parts.run.limits.maxTurns;
    if (turns !== undefined && turns > most) this.limit('turn_limit', `The run took more than ${most} turns`);
    if (hopeless !== undefined) this.limit('given_up', hopeless.detail);
    if (idle === true) this.endInput();
  }

  /** Lets an agent that waits for more end, once it has heard all there is. Asked again by the next renewal. */
  private endInput(): void {
    this.inputEnded ??= this.speak()
      .then(() => this.send({ id: 'end-input', command: 'end_input' }, 'agent has done its work'))
      .catch((error: unknown) => {
        this.inputEnded = undefined;
        this.parts.log('warn', 'the agent could not be let go yet', { error: errorText(error) });
      });
  }

  /** Tells the agent what people have for it, in the order in which they said it. One round at a time. */
  private speak(): Promise<void> {
    this.speaking ??= this.speakAll().finally(() => (this.speaking = undefined));
    return this.speaking;
  }

  /**
   * Called when the agent is gone: what was said to it and not written down is asked of the supervisor's record, so that
   * nobody says it again to the next.
   */
  async settle(): Promise<void> {
    await this.speaking?.catch(() => undefined);
    await this.speak();
  }

  private async speakAll(): Promise<void> {
    const { database, run } = this.parts;
    for (const command of await openCommands(database, run.id)) {
      const answer = await this.say(command);
      if ((await recordAnswer(database, run, command, answer)) === 'fenced') throw new FencedError(run.id);
      this.parts.log('info', answer.accepted ? `${command.kind} given to the agent` : `${command.kind} not taken`, {
        requestId: command.id,
        ...answer,
      });
    }
  }

  private async say({ id, kind, text }: RunCommand): Promise<RunCommandAnswerJson> {
    const { agent, run, supervisor, reach } = this.parts;
    const steering = agent.steering(run.agent);
    const line =
      kind === 'message'
        ? steering.message?.(id, cleanHiddenText(text ?? '').text)
        : typeof steering.interrupt === 'function'
          ? steering.interrupt(id)
          : undefined;
    const signal = kind === 'interrupt' && steering.interrupt === 'signal';
    if (line === undefined && !signal) return { accepted: false, refusal: 'unsupported' };
    try {
      const request = { id, epoch: run.epoch, command: kind, ...(line !== undefined && { text: line }) };
      const { accepted, refusal } = await reach(() => supervisor.command(run.id, request));
      if (refusal === 'fenced') throw new FencedError(run.id);
      return refusal === undefined ? { accepted } : { accepted, refusal };
    } catch (error) {
      if (error instanceof UserError && error.code === 'run_not_found') return { accepted: false, refusal: 'ended' };
      throw error;
    }
  }

  /** A start was asked for: whatever is heard of it, it may still come. */
  startAsked(): void {
    this.mayStart = true;
  }

  /**
   * Sees to it that a run which is over before its agent was started never is: an owner that was asleep, or a request
   * whose answer was lost, may still ask for the start. Where somebody was faster, the run is driven again.
   */
  async neverStarted(outcome: RunOutcome): Promise<RunOutcome> {
    const { run, supervisor, reach } = this.parts;
    if (run.state !== 'leased' || (!this.mayStart && run.epoch === 1)) return outcome;
    try {
      const command = { id: `never-${run.epoch}`, epoch: run.epoch, command: 'stop' } as const;
      const { refusal } = await reach(() => supervisor.command(run.id, command));
      if (refusal === 'fenced') throw new FencedError(run.id);
      const { state } = await reach(() => supervisor.status(run.id));
      if (state !== 'running') return outcome;
    } catch (error) {
      // The pod is gone, and everything in it.
      if (error instanceof Ended) return outcome;
      throw error;
    }
    throw new TransientError('the agent was started while the run was given up', { code: 'start_raced' });
  }

  private async send(command: Omit<CommandRequest, 'epoch'>, said: string): Promise<void> {
    const { supervisor, run, reach } = this.parts;
    const { refusal } = await reach(() => supervisor.command(run.id, { ...command, epoch: run.epoch }));
    if (refusal === 'fenced') throw new TransientError('a newer epoch has the run', { code: 'fenced' });
    this.parts.log('info', said);
  }
}
