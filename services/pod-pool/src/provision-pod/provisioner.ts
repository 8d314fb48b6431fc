import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { Id, SymptomCode } from '@capstan/domain';
import { Database, clearRow, failRow } from '@capstan/database';
import type { ObservedPod, Runtime } from '@capstan/runtimes';
import { CONFIG, LOGGER, Loops, type Logger } from '@capstan/service-kit';
import type { PodPoolConfig } from '../pod-pool.config.js';
import { RUNTIME } from '../tokens.js';
import { POD_LABELS, reconcilePod, type ProvisionPorts } from './provision-pod.apply.js';

/** Sweeps while a pod is on its way; the watch is faster, this is what repairs it. ms */
const PROVISIONING_SWEEP_MS = 2_000;
/** While no pod is on its way. ms */
const QUIET_MS = 8_000;

/** Brings pods to what their rows want: on command, on the runtime's word, and by sweep. */
@Injectable()
export class Provisioner implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly ports: ProvisionPorts;
  private readonly watching = new AbortController();
  /** One step at a time per pod in this replica; the row's version settles it between replicas. */
  private readonly steps = new Map<Id, Promise<void>>();
  private notIsolatedSaid = false;

  constructor(
    private readonly database: Database,
    private readonly loops: Loops,
    @Inject(RUNTIME) private readonly runtime: Runtime,
    @Inject(CONFIG) private readonly config: PodPoolConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.ports = {
      database,
      runtime,
      readyTimeoutMs: config.CAPSTAN_POD_READY_TIMEOUT_MS,
      unschedulableTimeoutMs: config.CAPSTAN_POD_UNSCHEDULABLE_TIMEOUT_MS,
      random: Math.random,
      report: (level, message, fields) => logger[level](fields, message),
    };
  }

  onApplicationBootstrap(): void {
    this.runtime.watch(POD_LABELS, (observed) => void this.observed(observed), this.watching.signal);
    this.loops.resync<{ id: Id }>({
      name: 'provision',
      everyMs: PROVISIONING_SWEEP_MS,
      quietMs: QUIET_MS,
      due: (limit) =>
        this.due(
          `p.state in ('provisioning','terminating') or p.state = 'error' and p.not_before < clock_timestamp()`,
          limit,
        ),
      handle: ({ id }) => this.step(id),
      concurrency: 4,
    });
    this.loops.every({
      name: 'pod health',
      everyMs: this.config.CAPSTAN_HEALTH_CHECK_INTERVAL_MS,
      pass: () => this.sweep(),
    });
  }

  onModuleDestroy(): void {
    this.watching.abort();
  }

  /** One step of one pod. Throws what an event's handler should answer with a redelivery. */
  async step(podId: Id, observed?: ObservedPod | null): Promise<void> {
    const former = this.steps.get(podId);
    const work = (async () => {
      await former?.catch(() => undefined);
      const seen = observed === undefined ? await this.look(podId) : observed;
      const did = await reconcilePod(this.ports, podId, seen);
      const now = did === 'create' ? await this.look(podId) : seen;
      if (did === 'create' && now?.phase === 'ready') await reconcilePod(this.ports, podId, now);
      if (did === 'ready' || did === 'create') this.sayIsolation(now);
    })();
    this.steps.set(podId, work);
    try {
      await work;
    } finally {
      if (this.steps.get(podId) === work) this.steps.delete(podId);
    }
  }

  /** All pods against all rows: what a missed watch event left, and what has no row. */
  async sweep(): Promise<void> {
    const shown = await this.runtime.list(POD_LABELS);
    const rows = await this.database.query<{ id: Id; name: string }>(
      'select id, name from pod where deleted_at is null',
    );
    const byName = new Map(shown.map((pod) => [pod.name, pod]));
    for (const row of rows) await this.counted(row.id, byName.get(row.name) ?? null);
    const known = new Set(rows.map(({ name }) => name));
    for (const pod of shown) {
      if (known.has(pod.name) || pod.phase === 'terminating' || pod.phase === 'gone') continue;
      // The row may be younger than the list of rows; a pod is only an orphan when its own row is gone too.
      const [row] = await this.database.query('select 1 from pod where name = $1 and deleted_at is null', [pod.name]);
      if (row !== undefined) continue;
      this.logger.warn({ pod: pod.name }, 'pod without a row: deleted');
      await this.runtime.delete(pod.name);
    }
  }

  private async counted(podId: Id, observed: ObservedPod | null): Promise<void> {
    try {
      await this.step(podId, observed);
      await clearRowOfPod(this.database, podId);
    } catch (error) {
      await failRow(this.database, 'pod', podId, error);
      this.logger.warn({ podId, err: error }, 'a pod could not be brought on');
    }
  }

  private async observed(observed: ObservedPod): Promise<void> {
    try {
      const [row] = await this.database.query<{ id: Id }>('select id from pod where name = $1 and deleted_at is null', [
        observed.name,
      ]);
      if (row !== undefined) await this.step(row.id, observed);
    } catch (error) {
      this.logger.warn({ pod: observed.name, err: error }, 'a change of a pod was not taken in; the sweep repeats it');
    }
  }

  private async look(podId: Id): Promise<ObservedPod | null> {
    const [found] = await this.runtime.list({ ...POD_LABELS, 'capstan.dev/pod': podId });
    return found ?? null;
  }

  private due(where: string, limit: number): Promise<{ id: Id }[]> {
    return this.database.query(
      `select p.id from pod p where p.deleted_at is null and p.parked_at is null and (${where}) order by p.created_at limit $1`,
      [limit],
    );
  }

  private sayIsolation(observed: ObservedPod | null): void {
    if (this.notIsolatedSaid || observed?.isolation !== 'not_isolated') return;
    this.notIsolatedSaid = true;
    const code: SymptomCode = 'agents_not_isolated';
    this.logger.warn(
      { code, reason: observed.isolationReason },
      'agents are not isolated here: they can reach this machine and its network; use throw-away tokens only',
    );
  }
}

/** A pod's attempts count its own making, not our failures to look: those only leave their text. */
async function clearRowOfPod(database: Database, podId: Id): Promise<void> {
  const [row] = await database.query<{ state: string }>('select state from pod where id = $1', [podId]);
  if (row?.state === 'ready') await clearRow(database, 'pod', podId);
}
