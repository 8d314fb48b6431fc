import type { Id } from '@capstan/domain';
import type { HostPort } from '../forward/host-rule.js';
import type { RefusalReason } from '../server/refusal.js';

/** Whose traffic it is. */
export interface Asker {
  readonly id: Id;
  readonly workspaceId: Id;
  readonly taskId: Id;
  /** No run has its id: it is counted, and not written down. */
  readonly isTest?: boolean;
}

/** What a run did at a host since the last batch. */
export interface HostUse {
  readonly workspaceId: Id;
  readonly runId: Id;
  readonly host: string;
  readonly port: number;
  readonly verdict: 'allowed' | 'blocked';
  reason: RefusalReason | null;
  client: string | null;
  connections: number;
  bytesUp: number;
  bytesDown: number;
  firstAt: Date;
  lastAt: Date;
}

/** Tokens of one call, each kind counted once. */
export interface Tokens {
  /** Neither read from a cache nor written to one. */
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
}

/** What a run used of a model since the last batch. */
export interface ModelUsed {
  readonly workspaceId: Id;
  readonly runId: Id;
  readonly taskId: Id;
  readonly provider: string;
  readonly model: string;
  calls: number;
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  /** Of the calls whose price is known; null when there was none. */
  costUsd: number | null;
  unpricedCalls: number;
  /** Every key was at its limit, until then. */
  limitedUntil: Date | null;
}

/** One connection or request that was let through. */
export interface Flow {
  up(bytes: number): void;
  down(bytes: number): void;
}

export interface Batch {
  readonly hosts: readonly HostUse[];
  readonly models: readonly ModelUsed[];
}

const MAX_CLIENT = 120;
const MAX_MODEL = 120;
/** A minute's tests are far fewer. */
const MAX_TESTS = 1_000;

/** Counts what runs do, in memory, until the next batch is written. */
export class Recorder {
  private hosts = new Map<string, HostUse>();
  private models = new Map<string, ModelUsed>();
  private readonly tests = new Map<Id, { calls: number; costUsd: number }>();
  /** Of the batch that is being written. */
  private writing: Batch = { hosts: [], models: [] };

  constructor(private readonly now: () => Date = () => new Date()) {}

  allowed(run: Asker, target: HostPort, client: string | undefined): Flow {
    this.host(run, target, 'allowed', client).connections += 1;
    // Looked up at each count: a long connection outlives many batches.
    return {
      up: (bytes) => void (this.host(run, target, 'allowed', client).bytesUp += bytes),
      down: (bytes) => void (this.host(run, target, 'allowed', client).bytesDown += bytes),
    };
  }

  blocked(run: Asker, target: HostPort, reason: RefusalReason, client: string | undefined): void {
    const use = this.host(run, target, 'blocked', client);
    use.connections += 1;
    use.reason = reason;
  }

  /** @param costUsd undefined where the price is not known; null tokens where the answer told none. */
  used(run: Asker, provider: string, model: string, tokens: Tokens | null, costUsd: number | undefined): void {
    if (run.isTest === true) return this.usedByTest(run.id, costUsd);
    const use = this.model(run, provider, model);
    use.calls += 1;
    use.input += tokens?.input ?? 0;
    use.output += tokens?.output ?? 0;
    use.cacheRead += tokens?.cacheRead ?? 0;
    use.cacheWrite += tokens?.cacheWrite ?? 0;
    if (costUsd === undefined) use.unpricedCalls += 1;
    else use.costUsd = (use.costUsd ?? 0) + costUsd;
  }

  /** A call that nobody took, since every key is at its limit until then. */
  limited(run: Asker, provider: string, model: string, until: Date): void {
    if (run.isTest === true) return;
    const use = this.model(run, provider, model);
    use.limitedUntil = later(use.limitedUntil, until);
  }

  /** What a test has used so far. */
  ofTest(id: Id): { readonly calls: number; readonly costUsd: number } {
    return this.tests.get(id) ?? { calls: 0, costUsd: 0 };
  }

  /** Known cost of a run that isn't in the database yet, USD. */
  unwrittenCost(runId: Id): number {
    const all = [...this.models.values(), ...this.writing.models];
    return all.filter((use) => use.runId === runId).reduce((sum, { costUsd }) => sum + (costUsd ?? 0), 0);
  }

  /** What came together since the last call; null: nothing. Give its end to {@link written} or {@link failed}. */
  take(): Batch | null {
    if (this.hosts.size === 0 && this.models.size === 0) return null;
    this.writing = { hosts: [...this.hosts.values()], models: [...this.models.values()] };
    this.hosts = new Map();
    this.models = new Map();
    return this.writing;
  }

  written(): void {
    this.writing = { hosts: [], models: [] };
  }

  /** Goes into the next batch. */
  failed(): void {
    const { hosts, models } = this.writing;
    this.written();
    for (const use of hosts) {
      const key = hostKey(use.runId, use, use.verdict);
      const newer = this.hosts.get(key);
      this.hosts.set(key, newer === undefined ? use : mergedHost(use, newer));
    }
    for (const use of models) {
      const key = `${use.runId} ${use.provider} ${use.model}`;
      const newer = this.models.get(key);
      this.models.set(key, newer === undefined ? use : mergedModel(use, newer));
    }
  }

  private usedByTest(id: Id, costUsd = 0): void {
    const before = this.ofTest(id);
    if (this.tests.size >= MAX_TESTS) this.tests.delete(this.tests.keys().next().value!);
    this.tests.set(id, { calls: before.calls + 1, costUsd: before.costUsd + costUsd });
  }

  private model(run: Asker, provider: string, model: string): ModelUsed {
    const named = printable(model, MAX_MODEL) || 'unknown';
    const key = `${run.id} ${provider} ${named}`;
    const use = this.models.get(key) ?? noUse(run, provider, named);
    this.models.set(key, use);
    return use;
  }

  private host(run: Asker, target: HostPort, verdict: HostUse['verdict'], client: string | undefined): HostUse {
    const key = hostKey(run.id, target, verdict);
    const at = this.now();
    let use = this.hosts.get(key);
    if (use === undefined) {
      use = {
        ...{ workspaceId: run.workspaceId, runId: run.id, host: target.host, port: target.port, verdict },
        ...{ reason: null, client: null, connections: 0, bytesUp: 0, bytesDown: 0, firstAt: at, lastAt: at },
      };
      if (run.isTest !== true) this.hosts.set(key, use);
    }
    use.lastAt = at;
    if (client !== undefined) use.client = printable(client, MAX_CLIENT) || null;
    return use;
  }
}

export function mergedHost(older: HostUse, newer: HostUse): HostUse {
  return {
    ...newer,
    reason: newer.reason ?? older.reason,
    client: newer.client ?? older.client,
    connections: older.connections + newer.connections,
    bytesUp: older.bytesUp + newer.bytesUp,
    bytesDown: older.bytesDown + newer.bytesDown,
    firstAt: older.firstAt < newer.firstAt ? older.firstAt : newer.firstAt,
    lastAt: older.lastAt > newer.lastAt ? older.lastAt : newer.lastAt,
  };
}

export function mergedModel(older: ModelUsed, newer: ModelUsed): ModelUsed {
  const known = older.costUsd !== null || newer.costUsd !== null;
  return {
    ...newer,
    calls: older.calls + newer.calls,
    input: older.input + newer.input,
    output: older.output + newer.output,
    cacheRead: older.cacheRead + newer.cacheRead,
    cacheWrite: older.cacheWrite + newer.cacheWrite,
    costUsd: known ? (older.costUsd ?? 0) + (newer.costUsd ?? 0) : null,
    unpricedCalls: older.unpricedCalls + newer.unpricedCalls,
    limitedUntil: later(older.limitedUntil, newer.limitedUntil),
  };
}

function noUse(run: Asker, provider: string, model: string): ModelUsed {
  return {
    ...{ workspaceId: run.workspaceId, runId: run.id, taskId: run.taskId, provider, model },
    ...{ calls: 0, input: 0, output: 0, cacheRead: 0, cacheWrite: 0, costUsd: null, unpricedCalls: 0 },
    limitedUntil: null,
  };
}

function later(one: Date | null, other: Date | null): Date | null {
  if (one === null || other === null) return one ?? other;
  return one > other ? one : other;
}

function hostKey(runId: Id, { host, port }: HostPort, verdict: HostUse['verdict']): string {
  return `${runId} ${host} ${port} ${verdict}`;
}

/** What strangers send is stored without what a terminal or Postgres stumbles over. */
function printable(text: string, max: number): string {
  return text.replace(/[^\x20-\x7e\u00a0-\ud7ff\ue000-\uffff]/g, '').slice(0, max);
}
