import {
  TransientError,
  UserError,
  errorText,
  type FinishRequest,
  type RunOutcome,
  type StartAnswer,
  type StartRequest,
} from '@capstan/domain';
import { agent, type AgentAdapter } from '@capstan/agents';
import type { Run } from '@capstan/database';
import { SupervisorClient, type StartedRun } from '@capstan/runtimes';
import type { RenewedRun } from '../lease-run/lease-run.apply.js';
import { FencedError, LogWriter } from '../write-log/log-writer.js';
import {
  agentSecrets,
  boundaryRequest,
  directoriesOf,
  isPrepareGivenUp,
  launchRequest,
  podFault,
  prepareFailure,
  prepareRequest,
  resumes,
  settingsFailure,
  startOrRefusal,
  type PodSight,
  type TaskDirectories,
} from './agent-launch.js';
import { recordFinished, recordStarted } from './drive-run.apply.js';
import { readDrive, readPodState, type DriveWorld } from './drive-run.snapshot.js';
import type { DriverPorts } from './driver-ports.js';
import { judgeRun } from './judge-run.decide.js';
import { logInOf } from './own-log-in.js';
import { Patience } from './patience.js';
import { handBack } from './run-control.apply.js';
import { RunControl } from './run-control.js';
import { requireForgeCredential, runSecrets } from './run-secrets.js';
import { judgedByEgress } from './judged-by-egress.js';
import { Ended, HeldBack, STOPPED_BEFORE, type RunEnd } from './run-end.js';

/** A pod that is not known to be gone is asked again for this long before the run counts as lost, ms. */
const UNREACHABLE_MS = 120_000;

/**
 * Drives one leased run from wherever it stands to its end: prepare, launch, read, judge. Every step may be repeated by
 * a successor: preparing and launching are idempotent in the pod, reading goes on behind the last line stored, and each
 * write names the epoch.
 */
export class RunDriver {
  private readonly abort = new AbortController();
  /** Drops the wait for a long preparation: nobody wants it any more. */
  private readonly preparing = new AbortController();
  private readonly patience = new Patience(this.abort.signal);
  private readonly supervisor: SupervisorClient;
  private readonly agent: AgentAdapter;
  private readonly openedAt = performance.now();
  private wantStop = false;
  private launched = false;
  /** The workspace was paused before the agent was started: it waits with the others. */
  private wantHold = false;
  private readonly control: RunControl;
  private world!: DriveWorld;
  private directories!: TaskDirectories;
  private writer!: LogWriter;
  /** The connection that started the agent: it goes on as the first reading. */
  private started: StartedRun | undefined;

  private constructor(
    private readonly ports: DriverPorts,
    private run: Run,
    world: DriveWorld,
  ) {
    this.world = world;
    this.agent = agent(run.agent.agent);
    this.supervisor = new SupervisorClient(ports.runtime, world.pod.name);
    this.directories = directoriesOf(ports.runtime.root(world.pod.name), run);
    const former = resumes(run, world) && world.sessionFacts !== null ? { former: world.sessionFacts } : {};
    this.writer = new LogWriter({ ...ports, ...former, agent: this.agent, run, signal: this.abort.signal });
    this.control = new RunControl({
      ...{ database: ports.database, supervisor: this.supervisor, agent: this.agent, run },
      reach: (call) => this.reach(call),
      log: (...said) => this.log(...said),
    });
  }

  /** Reads what it needs. Throws TransientError while Postgres is away. */
  static async open(ports: DriverPorts, run: Run): Promise<RunDriver> {
    return new RunDriver(ports, run, await readDrive(ports.database, run));
  }

  get runId(): string {
    return this.run.id;
  }
  get epoch(): number {
    return this.run.epoch;
  }

  /** Asks for the agent's end; the run is then judged as stopped. Safe to call again. */
  stop(): void {
    if (this.wantStop) return;
    this.wantStop = true;
    if (this.launched) this.sendStop();
    else this.preparing.abort();
  }

  /** What the renewal of its lease says of the run, each second. */
  heed(word: RenewedRun): void {
    if (word.unwanted) return this.stop();
    if (this.launched) return this.control.heed(word, this.writer.parseState);
    if (!word.paused || this.wantHold) return;
    this.wantHold = true;
    this.preparing.abort();
  }

  /** Lets go at once without a word to the agent: a newer epoch has the run, or this service stops. */
  letGo(): void {
    this.abort.abort();
    this.preparing.abort();
  }

  /** Resolves when the run is finished, or was let go. Rejects when driving it failed; nothing of the run is lost then. */
  async drive(): Promise<'finished' | 'fenced' | 'let_go'> {
    try {
      const outcome = await this.outcome();
      if (this.abort.signal.aborted) return 'let_go';
      await this.ports.faults('finish.after');
      const result = await this.patience.persist(() => recordFinished(this.ports.database, this.run, outcome));
      this.writer.announceEnd();
      if (result === 'applied') this.log('info', 'run finished', { outcome: outcome.kind, detail: outcome.detail });
      return result === 'applied' ? 'finished' : 'fenced';
    } catch (error) {
      if (this.abort.signal.aborted) return 'let_go';
      if (error instanceof HeldBack) {
        await this.patience.persist(() => handBack(this.ports.database, this.run));
        return 'let_go';
      }
      if (
        error instanceof FencedError ||
        (error instanceof UserError && (error.code === 'fenced' || error.code === 'replaced'))
      ) {
        this.log('warn', 'run was taken over');
        return 'fenced';
      }
      throw error;
    } finally {
      this.abort.abort();
    }
  }

  private async outcome(): Promise<RunOutcome> {
    try {
      const { state, intent, currentRunId } = this.world.task;
      const wanted =
        intent === null && currentRunId === this.run.id && (state === 'provisioning' || state === 'running');
      if (!wanted) this.wantStop = true;
      this.requirePod(this.world.pod);
      if (this.run.state === 'leased') await this.begin();
      this.launched = true;
      if (this.wantStop) this.sendStop();
      const end = await this.follow();
      await this.control.settle();
      return await this.judge(end);
    } catch (error) {
      if (error instanceof Ended) return this.launched ? error.outcome : this.control.neverStarted(error.outcome);
      throw error;
    }
  }

  /** Prepares and launches, unless a former owner has launched already. */
  private async begin(): Promise<void> {
    if (this.run.epoch > 1) {
      const status = await this.reach(() => this.supervisor.status(this.run.id));
      if (status.state !== 'unknown') {
        if (status.process !== undefined)
          await this.startedAs({ alreadyThere: true, ...status, process: status.process }, this.deadline());
        return;
      }
    }
    await this.ports.gate.pass(() => this.launch());
  }

  private async launch(): Promise<void> {
    // It may have waited for its turn, and was let go, stopped or paused in the meantime.
    this.abort.signal.throwIfAborted();
    if (this.wantStop) throw new Ended(STOPPED_BEFORE);
    if (this.world.paused || this.wantHold) throw new HeldBack();
    const deadlineAt = this.deadline();
    const request = await this.settled(async () => this.startRequest(deadlineAt));
    await this.ports.faults('launch.before');
    const answer = await this.start(request);
    await this.ports.faults('launch.after');
    await this.startedAs(answer, deadlineAt);
    this.log('info', answer.alreadyThere ? 'agent was launched before' : 'agent launched', { pid: answer.process.pid });
  }

  private async startRequest(deadlineAt: number): Promise<Required<StartRequest>> {
    const { run, world, agent, directories } = this;
    const { database, podEnvironment, vault } = this.ports;
    const egress = this.ports.egress(run.id);
    await this.patience.persist(() => requireForgeCredential(vault, world.repository));
    const read = runSecrets({ database, vault }, { run, task: world.task });
    const get = (name: string) => this.patience.persist(() => read(name));
    const secrets = await agentSecrets(agent, egress, get, logInOf(agent, run.agent, this.ports.logInHome));
    const launch = launchRequest({ run, world, agent, directories, secrets, podEnvironment, egress, deadlineAt });
    const boundary = await this.ports.runtime.boundary(world.pod.name, boundaryRequest(directories, launch));
    return {
      prepare: prepareRequest(run, world, directories, { egress, askedMsAgo: this.askedMsAgo() }),
      launch: { ...launch, ...(boundary && { boundary }) },
      follow: { from: this.writer.next, finish: this.finishRequest() },
    };
  }

  /** Asks until the agent is there or its worktree can't be had. Repeating finds a run that was started unheard. */
  private async start(request: Required<StartRequest>): Promise<StartAnswer> {
    const since = performance.now();
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.reach(() => this.startUnlessStopped(request));
      if (!(answer instanceof Error)) {
        this.started = answer;
        return answer.answer;
      }
      if (isPrepareGivenUp(answer, attempt, performance.now() - since)) throw new Ended(prepareFailure(answer));
      this.log('warn', 'preparing will be tried again', { attempt, error: errorText(answer) });
      await this.patience.pause(attempt);
      if (this.wantStop) throw new Ended(STOPPED_BEFORE);
      if (this.wantHold) throw new HeldBack();
      this.requirePod(await this.patience.persist(() => readPodState(this.ports.database, this.run.podId)));
    }
  }

  /** A stop or a pause that comes during a long preparation ends it, unless the agent is found to be there already. */
  private async startUnlessStopped(request: Required<StartRequest>): Promise<StartedRun | UserError | TransientError> {
    const { supervisor, run, wantStop, wantHold } = this;
    const { signal } = this.abort;
    this.control.startAsked();
    if (!wantStop && !wantHold)
      return startOrRefusal(supervisor, run.id, request, { signal, preparing: this.preparing.signal });
    const { state, process } = await supervisor.status(run.id);
    if (state === 'unknown') throw wantStop ? new Ended(STOPPED_BEFORE) : new HeldBack();
    if (process !== undefined) return startOrRefusal(supervisor, run.id, request, { signal });
    // It was broken off between its making and its start: whatever came of that ends here.
    await supervisor.command(run.id, { id: `stop-${run.epoch}`, epoch: run.epoch, command: 'stop' });
    throw new Ended(STOPPED_BEFORE);
  }

  private async startedAs({ process, prepared }: StartAnswer, deadlineAt: number): Promise<void> {
    this.launched = true;
    const { worktree: path, home } = this.directories;
    const started = { process, deadlineAt, worktree: { path, home }, prepared };
    this.fence(await this.patience.persist(() => recordStarted(this.ports.database, this.run, started)));
    this.run = { ...this.run, state: 'running' };
    if (prepared === undefined) return;
    this.run = { ...this.run, baseSha: prepared.base, headSha: prepared.head };
    if (this.writer.next > 1) return; // a former owner has said so
    this.writer.note(`Worktree ready on ${this.run.branch} at ${prepared.head.slice(0, 10)}`, {
      base: prepared.base,
      reused: prepared.reused,
      fetchMs: prepared.fetchMs,
      worktreeMs: prepared.worktreeMs,
    });
  }

  /** Reads the journal to its exit line, whatever happens to the connection. */
  private async follow(): Promise<RunEnd> {
    let reading: StartedRun | undefined;
    let failures = 0;
    let since = performance.now();
    for (;;) {
      try {
        await this.ports.faults('attach.before');
        const options = { from: this.writer.next, epoch: this.run.epoch, signal: this.abort.signal };
        const journal = this.started?.journal() ?? this.ports.gate.begin(this.supervisor.attach(this.run.id, options));
        reading = this.started;
        this.started = undefined;
        for await (const items of journal) {
          failures = 0;
          since = performance.now();
          await this.writer.take(items);
          this.control.watch(this.writer.parseState);
          await this.ports.faults('attach.after');
        }
        await this.writer.flush();
        if (this.writer.exit !== null) return { exit: this.writer.exit, finished: reading?.finished };
      } catch (error) {
        if (this.abort.signal.aborted) throw error;
        if (error instanceof UserError && (error.code === 'run_lost' || error.code === 'run_not_found')) {
          await this.writer.flush();
          throw new Ended({
            kind: 'lost',
            detail: 'Neither the agent nor a record of its end is left',
            symptom: 'run_lost',
          });
        }
        if (!(error instanceof TransientError)) throw error;
        this.log('warn', 'the connection to the agent broke', { error: errorText(error) });
        this.requirePod(await this.patience.persist(() => readPodState(this.ports.database, this.run.podId)));
        if (performance.now() - since > UNREACHABLE_MS)
          throw new Ended({
            kind: 'lost',
            detail: `The pod could not be asked for ${UNREACHABLE_MS / 1000} s`,
            symptom: 'pod_lost',
          });
      }
      failures += 1;
      await this.patience.pause(failures);
    }
  }

  private async judge({ exit, finished }: RunEnd): Promise<RunOutcome> {
    await this.ports.faults('finish.before');
    const base = this.run.baseSha ?? '';
    const own = this.agent.judge(this.writer.parseState, exit);
    const judgement = await this.patience.persist(() => judgedByEgress(this.ports.database, this.run, this.agent, own));
    let finish = finished ?? null;
    if (exit.ended !== 'stopped' && finish === null) {
      try {
        finish = await this.reach(() => this.supervisor.finish(this.run.id, { ...this.finishRequest(), base }));
      } catch (error) {
        if (!(error instanceof UserError) || error.code === 'fenced') throw error;
        return {
          kind: 'failed',
          detail: `The work could not be looked at: ${errorText(error)}`,
          symptom: 'agent_failed',
        };
      }
    }
    return judgeRun({ exit, judgement, finish, base, publishedSha: this.world.publishedSha });
  }

  private finishRequest(): Omit<FinishRequest, 'base'> {
    const { worktree, home } = this.directories;
    return { worktree, home, branch: this.run.branch, message: this.world.task.title, author: this.ports.author };
  }

  private sendStop(): void {
    // What didn't arrive is asked for again by the next renewal.
    this.control.stop(() => (this.wantStop = false));
  }

  /** By the database's clock until the world was read, since then by a monotonic one: hosts' own may be hours apart. */
  private askedMsAgo(): number {
    return this.world.placedMsAgo + performance.now() - this.openedAt;
  }

  private deadline(): number {
    const { deadlineAt, placedAt, limits } = this.run;
    return deadlineAt?.getTime() ?? placedAt.getTime() + this.askedMsAgo() + limits.maxRunMinutes * 60_000;
  }

  /** Wrong settings and missing credentials end the run by name, before anything is started. */
  private async settled<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw new Ended(settingsFailure(error));
    }
  }

  private requirePod(pod: PodSight | null): void {
    const neverStarts = this.wantStop && !this.launched;
    const lost = podFault(pod, { neverStarts, started: this.run.state !== 'leased' });
    if (lost !== null) throw new Ended(lost);
  }

  /** Repeats an idempotent call while the pod's connection fails and the pod is not known to be gone. */
  private async reach<T>(call: () => Promise<T>): Promise<T> {
    const since = performance.now();
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof TransientError) || this.abort.signal.aborted) throw error;
        this.requirePod(await this.patience.persist(() => readPodState(this.ports.database, this.run.podId)));
        if (performance.now() - since > UNREACHABLE_MS)
          throw new Ended({
            kind: 'lost',
            detail: `The pod could not be asked: ${errorText(error)}`,
            symptom: 'pod_lost',
          });
        await this.patience.pause(attempt);
      }
    }
  }

  private fence(result: 'applied' | 'fenced'): void {
    if (result === 'fenced') throw new FencedError(this.run.id);
  }

  private log(level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown> = {}): void {
    this.ports.report(level, message, {
      runId: this.run.id,
      taskId: this.run.taskId,
      epoch: this.run.epoch,
      ...fields,
    });
  }
}
