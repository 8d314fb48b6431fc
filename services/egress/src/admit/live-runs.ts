import { personOf, type Actor, type Id, type RunLimits } from '@capstan/domain';
import { isDatabaseOutage, type AgentSettingsJson, type Database } from '@capstan/database';
import { readRunToken } from '@capstan/service-kit';
import { defaultRules } from '../forward/default-hosts.js';
import { hostRules, type HostRule } from '../forward/host-rule.js';
import type { Refusal } from '../server/refusal.js';
import { readLiveTest } from './live-tests.js';

/** A run whose agent may ask for something. */
export interface LiveRun {
  readonly id: Id;
  readonly workspaceId: Id;
  readonly repositoryId: Id;
  readonly taskId: Id;
  /** The person whose own keys come first; null: a ticket's task, or Capstan's own. */
  readonly userId: Id | null;
  readonly agent: AgentSettingsJson;
  readonly limits: RunLimits;
  /** A test of an agent: no run, so that nothing is recorded of it. */
  readonly isTest?: boolean;
  /** The default list of its agent, and what its repository adds. */
  readonly rules: readonly HostRule[];
}

interface Known {
  /** When it was last asked for. */
  readonly readAt: number;
  /** When Postgres last told it. */
  toldAt: number;
  readonly run: Promise<LiveRun | null>;
}

type Row = Omit<LiveRun, 'rules' | 'userId'> & { readonly egressHosts: readonly string[]; readonly createdBy: Actor };

/** How long a run that was read counts as read. ms */
const FRESH_MS = 1_000;
/** How long what was last read stands in while Postgres is away: agents at work go on. ms */
const OUTAGE_MS = 60_000;

/**
 * Runs by their tokens. An agent may ask while its run is leased or running and not fenced; within two seconds of the
 * end of its run it gets nothing more.
 */
export class LiveRuns {
  private readonly known = new Map<Id, Known>();

  constructor(
    private readonly database: Database,
    private readonly encryptionKey: string,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The run that a token stands for. @throws TransientError while Postgres is away and nothing recent is known. */
  async admit(token: string | undefined): Promise<LiveRun | Refusal> {
    if (token === undefined || token === '') return TOKEN_MISSING;
    const id = readRunToken(this.encryptionKey, token);
    if (id === null) return TOKEN_WRONG;
    return (await this.read(id)) ?? RUN_OVER;
  }

  /** Null: it isn't alive. */
  async read(id: Id): Promise<LiveRun | null> {
    const now = this.now();
    const known = this.known.get(id);
    if (known !== undefined && now - known.readAt < FRESH_MS) return known.run;
    const run = this.query(id).catch((error: unknown) => {
      if (known === undefined || now - known.toldAt >= OUTAGE_MS || !isDatabaseOutage(error)) throw error;
      asked.toldAt = known.toldAt;
      return known.run;
    });
    const asked: Known = { readAt: now, toldAt: now, run };
    this.known.set(id, asked);
    run.catch(() => {
      // Whoever asked hears of it, and the next asks anew.
      if (this.known.get(id) === asked) this.known.delete(id);
    });
    return run;
  }

  /** Forgets what nobody asked for lately. */
  sweep(): void {
    const oldest = this.now() - OUTAGE_MS;
    for (const [id, { toldAt }] of this.known) if (toldAt < oldest) this.known.delete(id);
  }

  private async query(id: Id): Promise<LiveRun | null> {
    const [row] = await this.database.query<Row>(
      `select r.id, r.workspace_id, r.repository_id, r.task_id, r.agent, r.limits, p.egress_hosts, t.created_by
         from run r join repository p on p.id = r.repository_id join task t on t.id = r.task_id
        where r.id = $1 and r.state in ('leased','running') and r.fenced_at is null`,
      [id],
    );
    if (row === undefined) return readLiveTest(this.database, id);
    const { egressHosts, createdBy, ...run } = row;
    return {
      ...run,
      userId: personOf(createdBy),
      rules: [...defaultRules(run.agent.agent), ...hostRules(egressHosts).rules],
    };
  }
}

const TOKEN_MISSING: Refusal = {
  reason: 'token_missing',
  status: 407,
  words:
    'no token came with the request. Agents find it in HTTP_PROXY and HTTPS_PROXY, as the password of the user "run": use these as they are.',
};
const TOKEN_WRONG: Refusal = {
  reason: 'token_wrong',
  status: 407,
  words: 'the token is not one of Capstan. Use the one in HTTP_PROXY as it is.',
};
const RUN_OVER: Refusal = {
  reason: 'run_over',
  status: 403,
  words: 'the run of this token is not going on any more. Nothing is left to do here: the process should end.',
};
