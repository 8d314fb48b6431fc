import { agent, credentialsFor, installCommand, isOlder } from '@capstan/agents';
import type { Agent } from '@capstan/api';
import type { AgentProgram, AgentRequest } from '@capstan/database';
import type { z } from 'zod';
import { instant } from '../http/time.js';
import { explain } from '../tasks/explanation.js';

export type AgentAnswer = z.infer<typeof Agent>;

/** A test may be asked for once in so long, per agent. ms */
export const TEST_EVERY_MS = 15_000;

type TestRow = Pick<
  AgentRequest,
  'id' | 'agent' | 'repositoryId' | 'createdAt' | 'claimedUntil' | 'answeredAt' | 'answer'
>;

/** Everything that one agent is told from. */
export interface AgentFacts {
  readonly name: string;
  /** Names of the secrets that are set for all repositories. */
  readonly secrets: ReadonlySet<string>;
  /** What is set of the choices between credentials. */
  readonly choices: Readonly<Record<string, string>>;
  /** What machines that start agents have of it, as of the last minutes. */
  readonly programs: readonly AgentProgram[];
  /** The last test. */
  readonly test: TestRow | null;
}

/** An agent as people see it: what there is of it, what is wrong, and what puts that right. */
export function agentState(facts: AgentFacts): AgentAnswer {
  const { title, credentials, options = [], program } = agent(facts.name);
  const machines = facts.programs
    .map(({ host, path, version, problem, logIn, lookedAt }) => ({
      ...{ host, path, version, problem: explain(problem), lookedAt: instant(lookedAt) },
      older: version !== null && program !== undefined && isOlder(version, program.tried),
      logIn: logIn && { state: logIn.state, place: logIn.place, words: logIn.words, secrets: [...logIn.secrets] },
    }))
    .toSorted((one, other) => (one.host < other.host ? -1 : 1));
  const { test } = facts;
  return {
    ...{ name: facts.name, title, credentials: [...credentials], options: [...options] },
    set: [...credentials, ...options].filter((secret) => facts.secrets.has(secret)),
    program: program === undefined ? null : { name: program.name, package: program.package, tried: program.tried },
    machines,
    credentialFrom: credentialFrom(facts),
    fixes: [...programFixes(facts), ...credentialFixes(facts)],
    test: test && shownTest(test),
    nextTestAt: test && instant(new Date(+test.createdAt + TEST_EVERY_MS)),
  };
}

export function shownTest({ id, repositoryId, createdAt, claimedUntil, answeredAt, answer }: TestRow) {
  const open = claimedUntil === null ? 'waiting' : 'running';
  const failure = answer?.failure ?? null;
  return {
    ...{ id, repositoryId, askedAt: instant(createdAt), answeredAt: instant(answeredAt) },
    state: answer === null ? open : answer.ok ? 'passed' : 'failed',
    words: answer?.words ?? '',
    durationMs: answer?.durationMs ?? null,
    costUsd: answer?.costUsd ?? null,
    isolation: answer?.isolation ?? null,
    failure: failure && { ...explain(failure), ...(failure.remedy !== null && { remedy: failure.remedy }) },
  } as const;
}

function wanted({ name, choices }: AgentFacts): readonly string[] {
  return credentialsFor({ agent: name }, choices);
}

function credentialFrom(facts: AgentFacts): AgentAnswer['credentialFrom'] {
  const names = wanted(facts);
  if (names.length === 0) return 'none_needed';
  if (names.some((name) => facts.secrets.has(name))) return 'secret';
  const standsIn = facts.programs.some(({ logIn }) => logIn?.secrets.some((name) => names.includes(name)) === true);
  return standsIn ? 'log_in' : 'missing';
}

function programFixes({ name, programs }: AgentFacts): AgentAnswer['fixes'] {
  const { program } = agent(name);
  if (program === undefined) return [];
  const command = installCommand(program);
  const on = (host: string): string => (programs.length > 1 ? ` on ${host}` : '');
  return programs.flatMap(({ host, path, version, problem }) => {
    if (path === null) return [{ words: `Install it${on(host)}`, command }];
    if (problem !== null) return [{ words: `Install it anew${on(host)}`, command }];
    return version !== null && isOlder(version, program.tried)
      ? [{ words: `Bring it up to date${on(host)}: Capstan was tried with ${program.tried}`, command }]
      : [];
  });
}

/** Only where there is no credential: what is wrong with a log-in that nobody needs is wrong for nobody. */
function credentialFixes(facts: AgentFacts): AgentAnswer['fixes'] {
  if (credentialFrom(facts) !== 'missing') return [];
  const [first] = wanted(facts);
  const { program } = agent(facts.name);
  const remedies = facts.programs.flatMap(({ logIn }) => (logIn?.remedy ? [logIn.remedy] : []));
  if (remedies.length > 0) return remedies.map(({ words, command }) => ({ words, command }));
  const secret = { words: `Set ${first} under Secrets`, command: null };
  return program === undefined ||
    facts.programs.length === 0 ||
    agent(facts.name).direct?.includes(first ?? '') === true
    ? [secret]
    : [{ words: `Set ${first} under Secrets, or log in on this machine`, command: program.logIn.command }];
}
