import { agent, AGENT_CHOICES, AGENT_NAMES } from '@capstan/agents';
import type { AgentProgram, AgentRequest, Database, Tx } from '@capstan/database';
import { UserError, type Id } from '@capstan/domain';
import type { Vault } from '@capstan/service-kit';
import { agentState, type AgentAnswer } from './agent-state.js';

/** A machine that nobody has looked at for three looks has no runner any more. */
export const LOOK_FRESH_MINUTES = 15;

/** Every agent of the registry, with what there is of it and what is wrong. */
export async function readAgents(database: Database, vault: Vault, workspaceId: Id): Promise<AgentAnswer[]> {
  // Before the transaction: opening a secret takes a connection of its own.
  const set = await vault.getAll({ workspaceId, repositoryId: null }, AGENT_CHOICES);
  const choices = Object.fromEntries([...set].map(([name, { value }]) => [name, value]));
  return database.transaction(
    async (tx) => {
      const secrets = await tx.query<{ name: string }>(
        'select name from secret where workspace_id = $1 and repository_id is null and user_id is null',
        [workspaceId],
      );
      const programs = await tx.query<AgentProgram>(
        `select * from agent_program where looked_at > clock_timestamp() - ${LOOK_FRESH_MINUTES} * interval '1 minute'`,
      );
      const tests = await tx.query<AgentRequest>(
        `select distinct on (agent) * from agent_request where workspace_id = $1 and kind = 'test'
          order by agent, created_at desc`,
        [workspaceId],
      );
      return AGENT_NAMES.map((name) =>
        agentState({
          ...{ name, choices: chosen(name, choices), secrets: new Set(secrets.map((secret) => secret.name)) },
          programs: programs.filter((program) => program.agent === name),
          test: tests.find((test) => test.agent === name) ?? null,
        }),
      );
    },
    { workspaceId },
  );
}

function chosen(name: string, choices: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { options = [] } = agent(name);
  return Object.fromEntries(Object.entries(choices).filter(([choice]) => options.includes(choice)));
}

/** @throws UserError 404 `request_not_found`. */
export async function readAgentRequest(tx: Tx, workspaceId: Id, id: Id): Promise<AgentRequest> {
  const [row] = await tx.query<AgentRequest>('select * from agent_request where workspace_id = $1 and id = $2', [
    workspaceId,
    id,
  ]);
  if (row !== undefined) return row;
  throw new UserError(`No request ${id} in this workspace`, { code: 'request_not_found', status: 404 });
}
