import { UserError } from '@capstan/domain';
import { readLogIn, type AgentAdapter, type AgentSettings, type LogIn } from '@capstan/agents';

/** The log-in that an agent's program has on this machine; null: none, or none is to be used. */
export type AskLogIn = () => Promise<LogIn | null>;

/**
 * A log-in stands in at the provider's own address alone: whoever sets another doesn't get the machine's.
 * @param home undefined: none stands in
 */
export function logInOf(
  { program }: Pick<AgentAdapter, 'program'>,
  { baseUrl }: Pick<AgentSettings, 'baseUrl'>,
  home: string | undefined,
): AskLogIn {
  return async () =>
    program === undefined || home === undefined || baseUrl !== undefined ? null : readLogIn(program, home);
}

/**
 * Names of the credentials that a log-in stands in for: egress has it, and the agent gets a placeholder as for a secret.
 * What would have to be in the pod isn't among them. Throws UserError `log_in_expired` with the command that renews it.
 */
export async function standsInFor(agent: AgentAdapter, logIn: AskLogIn): Promise<readonly string[]> {
  const found = await logIn();
  if (found?.state !== 'expired')
    return Object.keys(found?.keys ?? {}).filter(
      (name) => agent.credentials.includes(name) && !agent.direct?.includes(name),
    );
  const { remedy } = found;
  throw new UserError(`No secret of ${agent.title} is set, and the log-in in ${found.place} has expired`, {
    code: 'log_in_expired',
    field: agent.credentials[0]!,
    ...(remedy !== null && {
      remedy: [remedy.command === null ? '' : `Run ${remedy.command} on this machine.`, remedy.words].join(' ').trim(),
    }),
  });
}
