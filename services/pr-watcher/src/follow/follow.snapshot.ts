import { TransientError, UserError, errorAdvice, type Id } from '@capstan/domain';
import { MESSAGE_PENDING, isDatabaseOutage, type Database, type PullRequest, type Tx } from '@capstan/database';
import type { ForgeAccess } from '../forge-access.js';
import type { FollowSnapshot, ViewReading } from './follow.decide.js';
import type { MergeAttempt } from './gates.decide.js';
import type { HookSight, SeenBefore } from './pace.decide.js';

/** One look may take this long, ms; a claim outlives it. */
const VIEW_TIMEOUT_MS = 20_000;
export const CLAIM_MS = 60_000;

/** A pull request that this replica alone looks at until `until` (the database's clock, as text). */
export interface Claim {
  readonly id: Id;
  readonly until: string;
  /** Nobody asked for this look: it is the one that the last look planned, and a glance may do. */
  readonly planned: boolean;
}

/**
 * What the forge is asked about; what has a number is there. A row whose publishing was given up, because its task was
 * cancelled, is asked about too: a person may merge it.
 */
const FOLLOWED = `number is not null and parked_at is null and (state in ('open','refused')
  or state = 'closed' and closed_at > clock_timestamp() - interval '14 days'
  or state = 'publishing' and exists (select 1 from task
       where task.id = pull_request.task_id and task.state not in ('provisioning','running','needs_attention')))`;

/** Pull requests that are due, each claimed by one replica. */
export async function claimDue(database: Database, limit: number): Promise<readonly Claim[]> {
  return database.query<Claim>(
    `with due as (
       select id as due_id, coalesce(next_check_at = glance_at, false) as planned from pull_request
        where ${FOLLOWED} and next_check_at <= clock_timestamp()
          and (claimed_until is null or claimed_until <= clock_timestamp())
        order by next_check_at limit $1 for update skip locked)
     update pull_request set claimed_until = clock_timestamp() + $2 * interval '1 ms',
            next_check_at = clock_timestamp() + $2 * interval '1 ms'
       from due where id = due_id
      returning id, claimed_until::text as until, planned`,
    [limit, CLAIM_MS],
  );
}

/** Somebody wrote the row since it was read: look again at once. */
export async function releaseClaim(tx: Tx, claim: Claim): Promise<void> {
  await tx.query(
    `update pull_request set claimed_until = null, next_check_at = clock_timestamp()
      where id = $1 and claimed_until = $2::timestamptz`,
    [claim.id, claim.until],
  );
}

/** Asks for a whole look as soon as possible; during a look it asks for another one. A parked row is taken up again. */
export async function wakePullRequests(
  database: Database,
  which: { readonly taskId: Id } | { readonly workspaceId: Id } | { readonly repositoryId: Id },
  { unpark = false }: { readonly unpark?: boolean } = {},
): Promise<void> {
  const [condition, id] = conditionOf(which);
  const revive = unpark ? ', parked_at = null, attempts = 0' : '';
  await database.query(
    `update pull_request set next_check_at = least(next_check_at, clock_timestamp()), glance_at = null${revive}
      where state in ('publishing','open','refused','closed') and ${condition} = $1`,
    [id],
  );
}

function conditionOf(which: Parameters<typeof wakePullRequests>[1]): readonly [string, Id] {
  if ('taskId' in which) return ['task_id', which.taskId];
  return 'workspaceId' in which ? ['workspace_id', which.workspaceId] : ['repository_id', which.repositoryId];
}

/** Nobody was there to hear of what happened meanwhile: a whole look at each that is looked at seldom, within the interval. */
export async function wakeSeldomLookedAt(database: Database, withinMs: number): Promise<void> {
  await database.query(
    `update pull_request set glance_at = null,
            next_check_at = least(next_check_at, clock_timestamp() + random() * $1 * interval '1 ms')
      where glance_at is not null`,
    [withinMs],
  );
}

/** Reads the row, its surroundings and the forge into one value; what could not be read says so. */
export async function readFollow(
  { database, access }: { readonly database: Database; readonly access: ForgeAccess },
  id: Id,
  { intervalMs, random }: { readonly intervalMs: number; readonly random: number },
): Promise<FollowSnapshot | null> {
  const [row] = await database.query<PullRequest & { readonly beganAt: Date }>(
    'select *, clock_timestamp() as began_at from pull_request where id = $1',
    [id],
  );
  if (row === undefined || row.number === null) return null;
  const reading = await readView(access, row.repositoryId, row.number);
  const head = reading.kind === 'read' ? reading.view.pullRequest.headSha : row.headSha;
  // Read after the forge: what was asked for meanwhile counts.
  const [fresh] = await database.query<PullRequest>('select * from pull_request where id = $1', [id]);
  const [around] = await database.query<Surroundings>(SURROUNDINGS, [id]);
  if (fresh === undefined || around === undefined) return null;
  return {
    now: around.now,
    beganAt: row.beganAt,
    random,
    intervalMs,
    pullRequest: fresh,
    task: {
      state: around.state,
      intent: around.intent,
      generation: around.generation,
      agentAtWork: around.agentAtWork,
    },
    rules: {
      autoMerge: around.autoMerge,
      mergeWithoutChecks: around.mergeWithoutChecks,
      requiredApprovals: around.requiredApprovals,
    },
    workspacePaused: around.paused,
    merges: head === null ? [] : await readMerges(database, id, head),
    before: { checks: around.checksBefore, reviews: around.reviewsBefore },
    hook: { lastDeliveryAt: around.lastDeliveryAt, missedAt: around.missedAt },
    reading,
  };
}

type Surroundings = FollowSnapshot['task'] &
  FollowSnapshot['rules'] &
  HookSight & {
    readonly now: Date;
    readonly paused: boolean;
    readonly checksBefore: SeenBefore['checks'];
    readonly reviewsBefore: SeenBefore['reviews'];
  };

/** Columns of HookSight for a row of `pull_request`. */
export const HOOK_SIGHT = `
  (select max(received_at) from delivery where delivery.repository_id = pull_request.repository_id) as last_delivery_at,
  (select max(other.untold_at) from pull_request other
    where other.repository_id = pull_request.repository_id) as missed_at`;
const SURROUNDINGS = `
  select clock_timestamp() as now, task.state, task.intent, task.generation,
         (exists (select 1 from run where run.task_id = task.id and run.state <> 'finished')
           or exists (select from task_request m where m.task_id = task.id and ${MESSAGE_PENDING})) as agent_at_work,
         repository.auto_merge, repository.merge_without_checks, repository.required_approvals,
         workspace.paused_at is not null as paused, ${HOOK_SIGHT},
         (select coalesce(json_agg(json_build_object('source', source, 'name', name, 'state', "check".state)), '[]')
            from "check" where pull_request_id = pull_request.id) as checks_before,
         (select coalesce(json_agg(json_build_object('author', author, 'state', review.state, 'commitSha', commit_sha,
                                                     'submittedAt', submitted_at)), '[]')
            from review where pull_request_id = pull_request.id) as reviews_before
    from pull_request join task on task.id = pull_request.task_id
    join repository on repository.id = pull_request.repository_id
    join workspace on workspace.id = pull_request.workspace_id
   where pull_request.id = $1`;

async function readView(access: ForgeAccess, repositoryId: Id, number: number): Promise<ViewReading> {
  try {
    const { forge, connection } = await access.of(repositoryId, 'follow');
    return { kind: 'read', view: await forge.view(connection, number, AbortSignal.timeout(VIEW_TIMEOUT_MS)) };
  } catch (error) {
    if (error instanceof UserError) return { kind: 'unreadable', reason: errorAdvice(error) };
    if (error instanceof TransientError && !isDatabaseOutage(error))
      return { kind: 'unavailable', reason: errorAdvice(error), retryAfterMs: error.retryAfterMs ?? null };
    throw error;
  }
}

async function readMerges(database: Database, id: Id, sha: string): Promise<readonly MergeAttempt[]> {
  const rows = await database.query<{
    state: MergeAttempt['state'];
    parked: boolean;
    result: { code?: string; error?: string } | null;
    lastError: string | null;
    settledAt: Date | null;
  }>(
    `select state, parked_at is not null as parked, result, last_error, settled_at from effect
      where kind = 'merge_pull_request' and (key = $1 or key like $1 || ':%') order by created_at, id`,
    [`merge_pull_request:${id}:${sha}`],
  );
  return rows.map(({ state, parked, result, lastError, settledAt }) => ({
    state,
    parked,
    code: result?.code ?? null,
    words: result?.error ?? lastError,
    settledAt,
  }));
}
