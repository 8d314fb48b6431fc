import { ATTACH_SILENCE_MS, SUPERVISOR_EXIT, TransientError, UserError } from '@capstan/domain';
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
  SupervisorFailure,
} from '@capstan/domain';
import type { ExecStream, Runtime } from './runtime.port.js';

export interface AttachOptions {
  /** First line wanted, from 1. */
  readonly from: number;
  readonly epoch: number;
  readonly signal?: AbortSignal;
  /** Silence after which the connection counts as lost, ms; default {@link ATTACH_SILENCE_MS}. */
  readonly silenceMs?: number;
}

/** Refusals of the supervisor that the same request may not meet again. */
const TRANSIENT = new Set(['fetch_failed', 'locked', 'launch_failed', 'start_incomplete', 'failed', 'git_unavailable']);
const ANSWER_MS = 30_000;
const PREPARE_MS = 600_000;
const FINISH_MS = 300_000;
const NEWLINE = 0x0a;

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
    const silenceMs = options.silenceMs ?? ATTACH_SILENCE_MS;
    let silent = false;
    const timer = setTimeout(() => {
      silent = true;
      stream.close();
    }, silenceMs);
    try {
      for await (const items of batches(stream, timer)) yield items;
      const { code, stderr } = await stream.exit;
      if (code !== 0) throw refusal('', code, stderr);
    } catch (error) {
      if (!silent) throw error;
      throw new TransientError(`nothing came for ${silenceMs} ms`, { code: 'attach_silent', cause: error });
    } finally {
      clearTimeout(timer);
      stream.close();
    }
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

async function* batches(stream: ExecStream, timer: NodeJS.Timeout): AsyncGenerator<AttachItem[], void, undefined> {
  let parts: Buffer[] = [];
  for await (const chunk of stream.stdout as AsyncIterable<Buffer>) {
    timer.refresh();
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      parts.push(chunk);
      continue;
    }
    const text = Buffer.concat([...parts, chunk.subarray(0, end)]).toString('utf8');
    parts = end < chunk.length ? [chunk.subarray(end)] : [];
    const items: AttachItem[] = [];
    for (const each of text.split('\n')) {
      const item = each === '' ? undefined : parse(each);
      if (item !== undefined && 'error' in item) throw refusal(each, SUPERVISOR_EXIT.failed, '');
      if (item !== undefined) items.push(item);
    }
    if (items.length > 0) yield items;
    // What the reader did with the batch isn't the connection's silence.
    timer.refresh();
  }
}

function parse(text: string): AttachItem | SupervisorFailure | undefined {
  try {
    return JSON.parse(text) as AttachItem | SupervisorFailure;
  } catch {
    return undefined; // the torn tail of a write that a full disk cut short
  }
}

function refusal(text: string, exitCode: number, stderr: string): Error {
  let failure: SupervisorFailure['error'] | undefined;
  try {
    failure = (JSON.parse(text) as Partial<SupervisorFailure>).error;
  } catch {
    failure = undefined;
  }
  const { code, message } = failure ?? fromExit(exitCode, stderr);
  if (TRANSIENT.has(code)) return new TransientError(message, { code });
  return new UserError(message, { code, status: exitCode === SUPERVISOR_EXIT.notFound ? 404 : 409 });
}

function fromExit(exitCode: number, stderr: string): SupervisorFailure['error'] {
  if (exitCode === SUPERVISOR_EXIT.fenced) return { code: 'fenced', message: 'a newer epoch has this run' };
  if (exitCode === SUPERVISOR_EXIT.lost) return { code: 'run_lost', message: 'the run ended without an exit record' };
  return { code: 'failed', message: `the supervisor ended with ${exitCode}: ${stderr.trim().slice(-1_000)}` };
}
