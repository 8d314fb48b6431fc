import { hostname } from 'node:os';
import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { LEASE_MS, TransientError, errorText, type FaultPort, type Id } from '@capstan/domain';
import { workerChanged } from '@capstan/events';
import { Database, type Run } from '@capstan/database';
import { Broker } from '@capstan/jetstream';
import type { Runtime } from '@capstan/runtimes';
import {
  CONFIG,
  FAULTS,
  IDENTITY,
  LOGGER,
  METRICS,
  Vault,
  coalesce,
  inSpan,
  runToken,
  type Identity,
  type Logger,
  type Metrics,
} from '@capstan/service-kit';
import type { AgentRunnerConfig } from '../agent-runner.config.js';
import type { DriverPorts } from '../drive-run/driver-ports.js';
import { readPodEnvironment } from '../drive-run/pod-environment.js';
import { RunDriver } from '../drive-run/run-driver.js';
import { StartGate } from '../drive-run/start-gate.js';
import { RUNTIME } from '../tokens.js';
import { tellStalled } from './stalled-runs.js';
import {
  beat,
  disownRun,
  failRun,
  forgetWorker,
  leaseRuns,
  peekRuns,
  releaseLeases,
  renewLeases,
  type RenewedRun,
} from './lease-run.apply.js';

/** One lease of this replica's, from the commit that took it to the end of its driver. */
class Held {
  /** Undefined while it is being opened: what is asked of it then is heard as soon as it is there. */
  private driver: RunDriver | undefined;
  private gone = false;
  done: Promise<void> = Promise.resolve();

  constructor(readonly epoch: number) {}

  drivenBy(driver: RunDriver): void {
    this.driver = driver;
    if (this.gone) driver.letGo();
  }
  letGo(): void {
    this.gone = true;
    this.driver?.letGo();
  }
  /** What nobody hears yet is said again by the next renewal. */
  heed(word: RenewedRun): void {
    this.driver?.heed(word);
  }
  /** A stop that nobody hears yet is asked for again by the next renewal. */
  stop(): void {
    this.driver?.stop();
  }
}

/** What drivers get to end in before their leases are given back regardless. ms */
const LET_GO_MS = 500;

/** The runs that this replica drives, and the leases under which it does. */
@Injectable()
export class RunnerPool implements BeforeApplicationShutdown {
  private readonly held = new Map<Id, Held>();
  private readonly environments = new Map<string, Promise<Readonly<Record<string, string>>>>();
  private readonly owner: string;
  private readonly gate: StartGate;
  private readonly finished;
  /** Leases are only taken over once this replica has been connected for a lease's length: till then its peers renew. */
  private connectedSince: number | null = null;
  private lastContact = 0;
  /** The last sweep saw no open run at all, so that no lease can run out before the next one, however late it is. */
  quiet = false;
  /** Until the first lease of anybody's runs out, as the last sweep saw it. ms */
  nextMs: number | null = null;
  private leasing = 0;
  private stopping = false;
  /** Leases whatever waits for a runner; a wake during a pass runs one more. */
  readonly sweep: () => Promise<void>;

  constructor(
    private readonly database: Database,
    private readonly broker: Broker,
    private readonly vault: Vault,
    @Inject(RUNTIME) private readonly runtime: Runtime,
    @Inject(CONFIG) private readonly config: AgentRunnerConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(FAULTS) private readonly faults: FaultPort,
    @Inject(IDENTITY) identity: Identity,
    @Inject(METRICS) metrics: Metrics,
  ) {
    this.owner = identity.instance;
    this.gate = new StartGate(config.CAPSTAN_STARTS_AT_ONCE);
    this.finished = metrics.counter('capstan_runs_driven_total', 'Runs that this replica drove, by how that ended');
    metrics.gauge('capstan_runs_at_work', 'Runs that this replica drives now', (gauge) => gauge.set(this.held.size));
    this.sweep = coalesce(async () => {
      const { open, leaseable, nextMs } = await this.inContact(() => peekRuns(this.database));
      this.quiet = !open;
      this.nextMs = nextMs;
      const settled = this.connectedSince !== null && performance.now() - this.connectedSince > LEASE_MS;
      if (leaseable) await this.lease({ takeOver: settled });
    });
  }

  /** Runs that can still be taken. */
  get free(): number {
    return this.stopping ? 0 : Math.max(0, this.config.CAPSTAN_WORKER_SLOTS - this.held.size - this.leasing);
  }

  /** Leases one run that was placed, or whatever waits. Answers when the leases are committed; driving goes on. */
  async lease({ runId, takeOver }: { readonly runId?: Id; readonly takeOver: boolean }): Promise<void> {
    const limit = runId === undefined ? this.free : Math.min(1, this.free);
    if (limit === 0) return;
    this.leasing += limit;
    try {
      const runs = await leaseRuns(this.database, this.owner, {
        limit,
        takeOver,
        ...(runId === undefined ? {} : { runId }),
      });
      for (const run of runs) this.begin(run);
    } finally {
      this.leasing -= limit;
    }
  }

  /**
   * Renews the leases of the runs that are driven here, lets go of what was taken over, stops what is no longer wanted.
   * A run whose driver ended without finishing it is not renewed: its lease runs out, and it is driven again.
   */
  async renew(): Promise<void> {
    const before = [...this.held];
    if (before.length > 0) await this.inContact(() => this.renewHeld(before));
  }

  private async renewHeld(before: readonly (readonly [Id, Held])[]): Promise<void> {
    const leases = before.map(([id, { epoch }]) => ({ id, epoch }));
    const renewed = new Map((await renewLeases(this.database, this.owner, leases)).map((run) => [run.id, run]));
    for (const [id, held] of before) {
      const mine = renewed.get(id);
      if (mine === undefined) held.letGo();
      else held.heed(mine);
    }
  }

  /**
   * Asks Postgres. A silence as long as a lease, whoever's fault it was, counts as a lost connection: the peers may
   * have been as unable to renew as this replica, and come first.
   */
  private async inContact<T>(ask: () => Promise<T>): Promise<T> {
    try {
      const answer = await ask();
      const now = performance.now();
      if (now - this.lastContact > LEASE_MS) this.connectedSince = null;
      this.lastContact = now;
      this.connectedSince ??= now;
      return answer;
    } catch (error) {
      this.connectedSince = null;
      throw error;
    }
  }

  /** Ends one run's agent if this replica drives it. */
  stop(runId: Id): void {
    this.held.get(runId)?.stop();
  }

  async heartbeat(): Promise<void> {
    await beat(this.database, {
      id: this.owner,
      host: hostname(),
      slots: this.config.CAPSTAN_WORKER_SLOTS,
      draining: this.stopping,
    });
  }

  /** Says that there is a new worker, so that placement looks again. */
  async announce(): Promise<void> {
    await this.database.transaction((tx) => tx.emit(workerChanged, { workerId: this.owner }));
  }

  async markStalled(): Promise<void> {
    if (this.held.size > 0) await tellStalled(this.database, this.owner, this.logger);
  }

  /** Agents go on; this replica only lets go, so that another takes over at once. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    const began = performance.now();
    for (const held of this.held.values()) held.letGo();
    const ended = Promise.all([...this.held.values()].map(({ done }) => done));
    // A driver that hangs holds nobody up: what it still writes names an epoch that the successor has raised.
    const moment = new Promise((resolve) => setTimeout(resolve, LET_GO_MS).unref());
    await Promise.race([ended, moment]);
    try {
      const runs = await releaseLeases(this.database, this.owner);
      await forgetWorker(this.database, this.owner);
      this.logger.info({ runs, ms: Math.round(performance.now() - began) }, 'leases were given back');
    } catch (error) {
      this.logger.warn({ err: error }, 'leases were not given back; they run out by themselves');
    }
    await ended;
  }

  private begin(run: Run): void {
    const former = this.held.get(run.id);
    const held = new Held(run.epoch);
    if (this.stopping) held.letGo();
    // Our own earlier epoch was taken over by us: it may not write any more, and must have ended before we begin.
    former?.letGo();
    this.held.set(run.id, held);
    held.done = this.drive(run, held, former?.done).finally(() => {
      if (this.held.get(run.id) === held) this.held.delete(run.id);
    });
  }

  private async drive(run: Run, held: Held, former: Promise<void> | undefined): Promise<void> {
    await former;
    try {
      const [pod] = await this.database.query<{ name: string }>('select name from pod where id = $1', [run.podId]);
      const driver = await RunDriver.open(await this.portsFor(pod!.name), run);
      held.drivenBy(driver);
      const end = await inSpan(
        'run',
        {
          traceparent: run.traceparent,
          links: [run.traceparent],
          quiet: true,
          attributes: {
            'capstan.task.id': run.taskId,
            'capstan.run.id': run.id,
            'capstan.run.number': run.number,
            'capstan.run.reason': run.reason,
          },
        },
        async (span) => {
          const ended = await driver.drive();
          span.setAttribute('capstan.run.end', ended);
          return ended;
        },
      );
      this.finished.add({ end });
    } catch (error) {
      this.finished.add({ end: 'error' });
      await this.failed(run, error);
    }
  }

  /** Counts a failure on the run's row and gives the lease back: the run is driven again later, or parked at the cap. */
  private async failed(run: Run, error: unknown): Promise<void> {
    const fields = { err: error, runId: run.id, taskId: run.taskId };
    this.logger.error(fields, `a run could not be driven: ${errorText(error)}`);
    try {
      // An outage is nobody's failure: the lease runs out, and whoever takes it over tries again.
      if (error instanceof TransientError) return await disownRun(this.database, run);
      const { parked } = await failRun(this.database, run, error);
      if (parked) this.logger.error(fields, 'run parked: cancel its task, or replay it when the cause is gone');
    } catch (second) {
      this.logger.error({ ...fields, err: second }, 'the failure could not be written down; the lease runs out');
    }
  }

  private async portsFor(pod: string): Promise<DriverPorts> {
    return {
      database: this.database,
      broker: this.broker,
      runtime: this.runtime,
      vault: this.vault,
      author: this.config.CAPSTAN_COMMIT_AUTHOR,
      podEnvironment: await this.environmentOf(pod),
      egress: (runId) => ({
        url: this.config.CAPSTAN_EGRESS_URL,
        token: runToken(this.config.CAPSTAN_ENCRYPTION_KEY, runId),
      }),
      logInHome: this.config.CAPSTAN_LOGIN_HOME,
      report: (level, message, fields) => this.logger[level](fields, message),
      faults: this.faults,
      gate: this.gate,
    };
  }

  /** The pod's variables, asked once: adapters let a listed few of them through to agents. */
  private environmentOf(pod: string): Promise<Readonly<Record<string, string>>> {
    const known = this.environments.get(pod);
    if (known !== undefined) return known;
    const asked = readPodEnvironment(this.runtime, pod);
    const entry = asked.catch(() => {
      this.environments.delete(pod);
      return {};
    });
    this.environments.set(pod, entry);
    return entry;
  }
}
