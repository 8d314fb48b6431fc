import type { AgentProgram } from '@capstan/database';

/** What a look found of one agent's program. */
export type Sight = Pick<AgentProgram, 'agent' | 'path' | 'version' | 'problem' | 'logIn'>;

const VERSION = /\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?/;
const MAX_WORDS = 300;

/** What a program's own answer to `--version` comes to. @param said its output; the version may stand anywhere in it */
export function versionSaid(
  { code, ended, message }: { readonly code: number | null; readonly ended?: string; readonly message?: string },
  said: { readonly out: string; readonly err: string },
): Pick<Sight, 'version' | 'problem'> {
  const version = VERSION.exec(said.out)?.[0] ?? null;
  if (code === 0 && ended === undefined && version !== null) return { version, problem: null };
  if (ended === 'start_failed')
    return { version: null, problem: { code: 'agent_not_found', detail: shortened(message ?? 'It can’t be started') } };
  const last = said.err.trim().split('\n').at(-1) || said.out.trim().split('\n').at(-1) || '';
  const how =
    ended === 'deadline' ? 'It did not answer in time' : code === 0 ? 'It named none' : `It exited with ${code}`;
  return {
    version: null,
    problem: { code: 'agent_version_unknown', detail: shortened(last === '' ? how : `${how}: ${last}`) },
  };
}

/** Whether people see something else than before. */
export function isChanged(before: readonly Sight[], after: readonly Sight[]): boolean {
  const seen = (sights: readonly Sight[]): string =>
    JSON.stringify(
      sights
        .map(({ agent, path, version, problem, logIn }) => [agent, path, version, canonical(problem), canonical(logIn)])
        .toSorted(([one], [other]) => (String(one) < String(other) ? -1 : 1)),
    );
  return seen(before) !== seen(after);
}

/** Postgres keeps the members of a document in an order of its own. */
function canonical(value: object | null): unknown {
  return value === null ? null : Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
}

function shortened(text: string): string {
  return text.length > MAX_WORDS ? `${text.slice(0, MAX_WORDS - 1)}…` : text;
}
