import type { z } from 'zod';
import { agent, AGENT_NAMES } from '@capstan/agents';
import type { Agent } from '@capstan/api';
import type { Id } from '@capstan/domain';
import type { Tx } from '@capstan/database';

/** Every agent of the registry, with which of its secrets the workspace has set for all repositories. */
export async function listAgents(tx: Tx, workspaceId: Id): Promise<z.infer<typeof Agent>[]> {
  const rows = await tx.query<{ name: string }>(
    'select name from secret where workspace_id = $1 and repository_id is null and user_id is null',
    [workspaceId],
  );
  const known = new Set(rows.map(({ name }) => name));
  return AGENT_NAMES.map((each) => {
    const { name, title, credentials, options = [] } = agent(each);
    const set = [...credentials, ...options].filter((secret) => known.has(secret));
    return { name, title, credentials: [...credentials], options: [...options], set };
  });
}
