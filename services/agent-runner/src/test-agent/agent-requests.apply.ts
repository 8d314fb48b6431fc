import type { AgentRequest, AgentTestJson, Database, Repository } from '@capstan/database';
import { SYMPTOMS, type Id } from '@capstan/domain';
import { agentChanged } from '@capstan/events';

/** Longer than a test takes with all that is around it. ms */
const CLAIM_MS = 120_000;
/** Nobody waits any more for a test that no runner was there for. ms */
const STALE_MS = 120_000;

/** A request that this replica carries out. */
export type ClaimedRequest = Pick<AgentRequest, 'id' | 'workspaceId' | 'kind' | 'agent' | 'repositoryId' | 'actor'> & {
  /** Settings of the repository that a test is to be as in; null: of none. */
  readonly settings: Repository['agent'] | null;
  /** Another runner had it and ended, or nobody was there for it in time: it isn't begun again. */
  readonly lost: boolean;
};

/** Requests that nobody carries out, oldest first. */
export function openRequests(database: Database, limit: number): Promise<readonly { readonly id: Id }[]> {
  return database.query<{ id: Id }>(
    `select id from agent_request where answered_at is null and (claimed_until is null or claimed_until <= clock_timestamp())
      order by created_at limit $1`,
    [limit],
  );
}

/** Takes a request; null when somebody else has it, or it is answered. */
export async function claimRequest(database: Database, id: Id, owner: string): Promise<ClaimedRequest | null> {
  const [row] = await database.query<ClaimedRequest>(
    `with open as (select id, owner is not null or created_at < clock_timestamp() - $4 * interval '1 ms' as lost
                     from agent_request where id = $1 and answered_at is null
                      and (claimed_until is null or claimed_until <= clock_timestamp()) for update skip locked)
     update agent_request q set owner = $2, claimed_until = clock_timestamp() + $3 * interval '1 ms' from open where q.id = open.id
     returning q.id, q.workspace_id, q.kind, q.agent, q.repository_id, q.actor, open.lost,
               (select r.agent from repository r where r.id = q.repository_id) as settings`,
    [id, owner, CLAIM_MS, STALE_MS],
  );
  return row ?? null;
}

/** Writes the answer and tells of it; nothing where the claim was lost meanwhile. */
export async function answerRequest(
  database: Database,
  request: Pick<ClaimedRequest, 'id' | 'workspaceId' | 'agent'>,
  owner: string,
  answer: AgentTestJson | null,
): Promise<void> {
  const { id, workspaceId, agent } = request;
  await database.transaction(async (tx) => {
    const rows = await tx.query(
      `update agent_request set answered_at = clock_timestamp(), claimed_until = null, answer = $3
        where id = $1 and owner = $2 and answered_at is null returning id`,
      [id, owner, answer && JSON.stringify(answer)],
    );
    if (rows.length > 0) await tx.emit(agentChanged, { workspaceId, agent: agent ?? 'all', requestId: id });
  });
}

/** What is said of a test that nobody finished. */
export function lostTest(detail: string): AgentTestJson {
  const code = 'agent_test_lost';
  const failure = { code, detail, remedy: SYMPTOMS[code].remedy } as const;
  return { ok: false, words: '', durationMs: null, costUsd: null, isolation: null, failure };
}
