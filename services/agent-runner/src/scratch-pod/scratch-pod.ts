import { setTimeout as pause } from 'node:timers/promises';
import {
  RUN_ID_VARIABLE,
  TransientError,
  UserError,
  errorText,
  type Isolation,
  type JournalLine,
  type RunExit,
} from '@capstan/domain';
import type { AgentCommand } from '@capstan/agents';
import { SupervisorClient, type Runtime } from '@capstan/runtimes';
import { boundaryRequest, type TaskDirectories } from '../drive-run/agent-launch.js';
import { readPodEnvironment } from '../drive-run/pod-environment.js';

/** Of pods that are nobody's repository; pod-pool knows of none of them. */
const LABELS = { 'capstan.dev/purpose': 'agent-check' };
const NAME_LABEL = 'capstan.dev/scratch';
/** When nobody has a use for it any more, ms since 1970: then any runner deletes it. */
const UNTIL_LABEL = 'capstan.dev/until';
/** What starting, ending and telling of it may take beside the command itself. ms */
const AROUND_MS = 30_000;
const MAX_JOURNAL_BYTES = 4 * 1024 * 1024;
const EPOCH = 1;
const RETRY_MS = 200;

export type OutputLine = Extract<JournalLine, { kind: 'stdout' | 'stderr' }>;

export interface ScratchRun {
  /** Unique in the pod. */
  readonly id: string;
  readonly command: AgentCommand;
  readonly withinMs: number;
  readonly signal: AbortSignal;
  readonly heard: (line: OutputLine) => void;
}

/**
 * A pod without a repository, in which agents' programs are asked for their version, and tested. The runtime makes it and
 * probes its boundary as any other's, and the supervisor launches in it as it does for a task.
 */
export class ScratchPod {
  readonly supervisor: SupervisorClient;
  readonly directories: TaskDirectories;

  private constructor(
    private readonly runtime: Runtime,
    private readonly name: string,
    readonly isolation: Isolation,
    /** Its variables, as adapters get them. */
    readonly environment: Readonly<Record<string, string>>,
  ) {
    this.supervisor = new SupervisorClient(runtime, name);
    const root = runtime.root(name);
    const task = `${root}/task`;
    this.directories = {
      task,
      clone: `${root}/clone`,
      worktree: `${task}/tree`,
      home: `${task}/home`,
      cache: `${root}/cache`,
    };
  }

  /**
   * Makes one, lets it be used, and deletes it whatever comes. Throws UserError `isolation_unproven` where isolation is
   * required and not to be had. @param name DNS-1123 @param livesMs no use takes longer
   */
  static async use<T>(
    runtime: Runtime,
    name: string,
    livesMs: number,
    use: (pod: ScratchPod) => Promise<T>,
  ): Promise<T> {
    const until = String(Date.now() + livesMs + AROUND_MS);
    const labels = { ...LABELS, [NAME_LABEL]: name, [UNTIL_LABEL]: until };
    await runtime.create({ name, labels });
    try {
      const [seen] = await runtime.list({ [NAME_LABEL]: name });
      const environment = await readPodEnvironment(runtime, name);
      const pod = new ScratchPod(runtime, name, seen?.isolation ?? 'not_isolated', environment);
      await pod.furnish();
      return await use(pod);
    } finally {
      await runtime.delete(name);
    }
  }

  /** Deletes those that a runner which died has left. */
  static async sweep(runtime: Runtime, now = Date.now()): Promise<void> {
    for (const { name, labels } of await runtime.list(LABELS))
      if (Number(labels[UNTIL_LABEL] ?? 0) < now) await runtime.delete(name);
  }

  /** To its end, or until it may go on no longer: the supervisor ends it then. Answers how it ended, and after how long. */
  async run({
    id,
    command,
    withinMs,
    signal,
    heard,
  }: ScratchRun): Promise<{ readonly exit: RunExit; readonly ms: number }> {
    const { env, argv } = command;
    const boundary = await this.runtime.boundary(this.name, boundaryRequest(this.directories, { argv, env }));
    const begun = performance.now();
    await this.supervisor.launch(id, {
      ...command,
      epoch: EPOCH,
      env: { ...env, [RUN_ID_VARIABLE]: id },
      cwd: this.directories.worktree,
      deadlineAt: Date.now() + withinMs,
      maxJournalBytes: MAX_JOURNAL_BYTES,
      ...(boundary && { boundary }),
    });
    const exit = await this.follow(id, signal, heard, begun + withinMs + AROUND_MS);
    return { exit, ms: Math.round(performance.now() - begun) };
  }

  private async follow(id: string, signal: AbortSignal, heard: ScratchRun['heard'], until: number): Promise<RunExit> {
    let next = 1;
    for (;;) {
      try {
        for await (const items of this.supervisor.attach(id, { from: next, epoch: EPOCH, signal }))
          for (const item of items) {
            if ('beat' in item || item.n < next) continue;
            next = item.n + 1;
            if (item.kind === 'exit') return item.exit;
            if (item.kind !== 'command') heard(item);
          }
      } catch (error) {
        // Its end is in the journal; only a connection that broke is another's to come back from.
        if (!(error instanceof TransientError) || signal.aborted) throw error;
      }
      if (performance.now() > until) throw new TransientError('the pod could not be asked', { code: 'pod_lost' });
      await pause(RETRY_MS, undefined, { signal });
    }
  }

  /** A repository without a commit, since some agents work in nothing else, and a home. */
  private async furnish(): Promise<void> {
    const { worktree, home, cache } = this.directories;
    for (const argv of [
      ['mkdir', '-p', '-m', '700', home, cache],
      ['git', 'init', '-q', worktree],
    ]) {
      const { code, stderr } = await this.runtime.exec(this.name, { argv, timeoutMs: AROUND_MS });
      if (code !== 0)
        throw new UserError(`A place to try agents in could not be made: ${errorText(stderr)}`, {
          code: 'prepare_failed',
        });
    }
  }
}
