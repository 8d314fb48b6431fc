import { AGENT_TEST_LIMITS, personOf, type Actor, type Id } from '@capstan/domain';
import type { AgentSettingsJson, Database } from '@capstan/database';
import { defaultRules } from '../forward/default-hosts.js';
import { hostRules } from '../forward/host-rule.js';
import type { LiveRun } from './live-runs.js';

interface Row {
  readonly id: Id;
  readonly workspaceId: Id;
  readonly repositoryId: Id | null;
  readonly agent: string;
  readonly actor: Actor;
  readonly settings: AgentSettingsJson | null;
  readonly egressHosts: readonly string[] | null;
}

/**
 * A test of an agent, while a runner has it: it may ask for what a run with the same settings may. Its repository is the
 * one whose settings it has; one without stands for itself with the workspace's id, which is no repository's.
 */
export async function readLiveTest(database: Database, id: Id): Promise<LiveRun | null> {
  const [row] = await database.query<Row>(
    `select q.id, q.workspace_id, q.repository_id, q.agent, q.actor, r.agent as settings, r.egress_hosts
       from agent_request q left join repository r on r.id = q.repository_id
      where q.id = $1 and q.kind = 'test' and q.answered_at is null and q.claimed_until > clock_timestamp()`,
    [id],
  );
  if (row === undefined) return null;
  const { workspaceId, repositoryId, actor, settings, egressHosts } = row;
  return {
    ...{ id, workspaceId, repositoryId: repositoryId ?? workspaceId, taskId: id, isTest: true },
    ...{ userId: personOf(actor), agent: settings ?? { agent: row.agent }, limits: AGENT_TEST_LIMITS },
    rules: [...defaultRules(row.agent), ...hostRules(egressHosts ?? []).rules],
  };
}
