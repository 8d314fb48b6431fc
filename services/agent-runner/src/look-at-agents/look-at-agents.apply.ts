import type { AgentProgram, Database } from '@capstan/database';
import { agentChanged } from '@capstan/events';
import { isChanged, type Sight } from './look-at-agents.decide.js';

/** Subject of the news of a whole look. */
const ALL = 'all';

/** Writes down what was found on this machine; clients hear of it where it is something else than before. */
export async function recordLook(database: Database, host: string, sights: readonly Sight[]): Promise<void> {
  await database.transaction(async (tx) => {
    const before = await tx.query<AgentProgram>(
      'select * from agent_program where host = $1 order by agent for update',
      [host],
    );
    await tx.query(
      `insert into agent_program (host, agent, path, version, problem, log_in)
       select $1, u.agent, u.path, u.version, u.problem, u.log_in
         from unnest($2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[]) as u(agent, path, version, problem, log_in)
        order by u.agent
       on conflict (host, agent) do update set path = excluded.path, version = excluded.version,
         problem = excluded.problem, log_in = excluded.log_in, looked_at = clock_timestamp()`,
      [
        host,
        sights.map(({ agent }) => agent),
        sights.map(({ path }) => path),
        sights.map(({ version }) => version),
        sights.map(({ problem }) => problem && JSON.stringify(problem)),
        sights.map(({ logIn }) => logIn && JSON.stringify(logIn)),
      ],
    );
    // Agents of another build, and machines that are gone.
    await tx.query(
      `delete from agent_program where (host = $1 and agent <> all($2::text[])) or looked_at < clock_timestamp() - interval '1 day'`,
      [host, sights.map(({ agent }) => agent)],
    );
    if (isChanged(before, sights)) await tx.emit(agentChanged, { agent: ALL });
  });
}
