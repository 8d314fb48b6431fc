import type {
  AttachItem,
  CollectRequest,
  CommandAnswer,
  CommandRequest,
  DiscardRequest,
  FinishAnswer,
  FinishRequest,
  LaunchAnswer,
  LaunchRequest,
  PrepareAnswer,
  PrepareRequest,
  StartAnswer,
  StartRequest,
  StatusAnswer,
  SupervisorCommand,
} from '@capstan/domain';
import { Connection, refusal, StartedRun } from './connection.js';
import type { Runtime } from './runtime.port.js';

export interface AttachOptions {
  /** First line wanted, from 1. */
  readonly from: number;
  readonly epoch: number;
  readonly signal?: AbortSignal;
  /** Silence after which the connection counts as lost, ms; default {@link ATTACH_SILENCE_MS}. */
  readonly silenceMs?: number;
}

const ANSWER_MS = 30_000;
const PREPARE_MS = 600_000;
const FINISH_MS = 300_000;

/**
 * The supervisor of one pod, as typed calls over the runtime's exec. A refusal is an error whose `code` is the
 * supervisor's (`fenced`, `run_not_found`, `base_branch_missing` …); a connection that broke is a TransientError, after
 * which the same call may be repeated: every one is idempotent.
 */
export class SupervisorClient {
  constructor(
    private readonly runtime: Runtime,
    private readonly pod: string,
  ) {}

  prepare(runId: string, request: PrepareRequest): Promise<PrepareAnswer> {
    return this.ask('prepare', runId, request, PREPARE_MS);
  }
  launch(runId: string, request: LaunchRequest): Promise<LaunchAnswer> {
    return this.ask('launch', runId, request);
  }
  /**
   * Prepares and launches. Repeated, it finds the run that it made, and leaves its worktree alone. `signal` drops the
   * connection: whether the run was made is then to be asked of `status`.
   */
  start(runId: string, request: StartRequest, signal?: AbortSignal): Promise<StartAnswer> {
    return this.ask('start', runId, request, PREPARE_MS, signal);
  }
  /**
   * `start`, and what comes of the run in the same connection: see {@link StartedRun}. `preparing` drops the connection
   * before the answer only, `signal` at any time.
   */
  async startAndFollow(
    runId: string,
    request: Required<StartRequest>,
    { signal, preparing }: { readonly signal: AbortSignal; readonly preparing?: AbortSignal },
  ): Promise<StartedRun> {
    const dropped = new AbortController();
    const drop = (): void => dropped.abort();
    const broken = preparing === undefined ? signal : AbortSignal.any([signal, preparing]);
    if (broken.aborted) drop();
    broken.addEventListener('abort', drop, { once: true });
    const argv = this.argv('start', runId);
    const connection = new Connection(
      await this.runtime.stream(this.pod, { argv, stdin: line(request), signal: dropped.signal }),
    );
    try {
      const answer = await connection.answer<StartAnswer>(PREPARE_MS);
      broken.removeEventListener('abort', drop);
      signal.addEventListener('abort', drop, { once: true });
      return new StartedRun(answer, connection);
    } catch (error) {
      drop();
      throw error;
    }
  }
  command(runId: string, request: CommandRequest): Promise<CommandAnswer> {
    return this.ask('command', runId, request);
  }
  status(runId: string): Promise<StatusAnswer> {
    return this.ask('status', runId, undefined);
  }
  finish(runId: string, request: FinishRequest): Promise<FinishAnswer> {
    return this.ask('finish', runId, request, FINISH_MS);
  }
  async discard(request: DiscardRequest): Promise<void> {
    await this.ask('discard', '-', request, FINISH_MS);
  }

  /** The git bundle of `base..branch`; code `no_commits` when there is nothing in it. */
  async collect(runId: string, request: CollectRequest): Promise<Buffer> {
    const argv = this.argv('collect', runId);
    const result = await this.runtime.exec(this.pod, { argv, stdin: line(request), timeoutMs: FINISH_MS });
    if (result.code !== 0) throw refusal(result.stdout.toString('utf8'), result.code, result.stderr);
    return result.stdout;
  }

  /**
   * Journal lines from `from` on, in batches as they come, beats included. Ends after the exit line. Throws
   * TransientError when the connection broke or fell silent, and code `fenced` (or `replaced`) when another reader has
   * the run, `run_lost` when it is over without an exit record.
   */
  async *attach(runId: string, options: AttachOptions): AsyncGenerator<readonly AttachItem[], void, undefined> {
    const numbers = ['--from', String(options.from), '--epoch', String(options.epoch)];
    const argv = [...this.argv('attach', runId), ...numbers];
    const stream = await this.runtime.stream(this.pod, { argv, ...(options.signal && { signal: options.signal }) });
    for await (const items of new Connection(stream).items(options.silenceMs)) yield items as AttachItem[];
  }

  private async ask<T>(
    command: SupervisorCommand,
    runId: string,
    request: unknown,
    timeoutMs: number = ANSWER_MS,
    signal?: AbortSignal,
  ): Promise<T> {
    const argv = this.argv(command, runId);
    const stdin = line(request ?? {});
    const result = await this.runtime.exec(this.pod, { argv, stdin, timeoutMs, ...(signal && { signal }) });
    const text = result.stdout.toString('utf8');
    if (result.code !== 0) throw refusal(text, result.code, result.stderr);
    return JSON.parse(text) as T;
  }

  private argv(command: SupervisorCommand, runId: string): string[] {
    return ['node', this.runtime.supervisor(this.pod), command, runId, '--root', this.runtime.root(this.pod)];
  }
}

function line(request: unknown): string {
  return `${JSON.stringify(request)}\n`;
}
