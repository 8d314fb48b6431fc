import {
  MAX_CI_RESUMES,
  MAX_RETRIES,
  type EffectKind,
  type EffectState,
  type OutcomeKind,
  type PullRequestState,
  type RunState,
  type SymptomCode,
  type TaskIntent,
  type TaskState,
} from '@capstan/domain';

/** Whose commits a ref or a row shows: the present run's, those of one before it, or none. */
export type Whose = 'none' | 'older' | 'mine';

/** The present run's row, and its agent in the pod. */
export interface RunRow {
  readonly state: RunState;
  readonly epoch: number;
  /** Counts leases by itself: who the owner really is, whatever epochs say. */
  readonly turn: number;
  readonly ranOut: boolean;
  readonly outcome: OutcomeKind | null;
  readonly fenced: boolean;
  readonly push: 'none' | EffectState;
  readonly open: 'none' | EffectState;
  readonly agent: {
    readonly launches: number;
    readonly alive: boolean;
    readonly exit: 'commits' | 'no_changes' | 'lost' | 'stopped' | null;
    /** The highest epoch that its supervisor has seen. */
    readonly epoch: number;
  };
}

/**
 * What a runner's memory holds of a run. `leased`: about to launch · `launched`: about to write that down · `started`:
 * took a running run over · `attached`: reads the journal · `ending`: about to write that it never started · `stray`: about
 * to launch an earlier run of the task's.
 */
export interface Driver {
  readonly runner: number;
  readonly epoch: number;
  readonly turn: number;
  readonly at: 'leased' | 'launched' | 'started' | 'attached' | 'ending' | 'stray';
}

/** The row of the task's pull request. */
export interface PullRow {
  readonly state: PullRequestState;
  /** The present run's, not one before it. */
  readonly mine: boolean;
  readonly numbered: boolean;
  readonly refusal: SymptomCode | null;
  readonly pushed: Whose;
  /** The last wish to merge the pushed head. */
  readonly merge: 'none' | 'asked' | 'stale';
}

/** An effect's row that isn't settled. */
export interface EffectRow {
  readonly kind: EffectKind;
  readonly mine: boolean;
  readonly state: EffectState;
  readonly claimEpoch: number;
  readonly turn: number;
  readonly lapsed: boolean;
}

/** What an executor's memory holds of an effect. `acting`: looked, about to send · `settling`: about to record. */
export interface Try {
  readonly kind: EffectKind;
  readonly mine: boolean;
  readonly claimEpoch: number;
  readonly turn: number;
  readonly at: 'acting' | 'settling';
  readonly outcome: 'done' | 'refused' | null;
  readonly asleep: boolean;
  /** Its deadline has passed. */
  readonly late: boolean;
}

/** What the forge and the tracker show, and how often each was changed by us. */
export interface Remote {
  readonly head: Whose;
  readonly pulls: number;
  readonly merges: number;
  readonly comments: number;
}

/** One task and all that belongs to it: the rows, the agents, what processes remember of them, and the outside world. */
export interface World {
  readonly state: TaskState;
  readonly intent: TaskIntent | null;
  /** Nobody has confirmed the agent's end for a minute. */
  readonly overdue: boolean;
  readonly retries: number;
  readonly ciResumes: number;
  readonly unconfirmed: boolean;
  readonly run: RunRow | null;
  readonly drivers: readonly Driver[];
  /** Agents of runs that were fenced, alive in the pod, which takes nothing new until it is replaced. */
  readonly strays: number;
  readonly quarantine: boolean;
  readonly pull: PullRow | null;
  readonly effects: readonly EffectRow[];
  readonly tries: readonly Try[];
  readonly remote: Remote;
  /** The comment on the ticket that says how it ended. */
  readonly report: 'none' | 'asked' | 'settled';
}

/** A queued task. One retry and one return from CI are left, so that both the way on and the end are explored. */
export const QUEUED: World = {
  state: 'queued',
  intent: null,
  overdue: false,
  retries: MAX_RETRIES - 1,
  ciResumes: MAX_CI_RESUMES - 1,
  unconfirmed: false,
  run: null,
  drivers: [],
  strays: 0,
  quarantine: false,
  pull: null,
  effects: [],
  tries: [],
  remote: { head: 'none', pulls: 0, merges: 0, comments: 0 },
  report: 'none',
};

/** One atomic step of one task: a transaction, a request to the outside, or something that happens there. */
export interface Step {
  readonly name: string;
  /** The runner that makes it; it must be awake. */
  readonly runner?: number;
  /** A runner that must be paused for it to happen. */
  readonly whilePaused?: number;
  /** It is a fault. */
  readonly fault?: true;
  /** A person asks for it, or it goes otherwise than well: only so many of these are on one path. */
  readonly turn?: true;
  /** What becomes of it, or the law that it breaks. */
  readonly to: World | string;
}

/** Two worlds that no rule can tell apart are one: counters are replaced by their order, lists are sorted. */
export function normal(given: World): World {
  const world = forgotten(given);
  const { run, drivers, effects, tries } = world;
  const epochs = ranks([run?.epoch, run?.agent.epoch, ...drivers.map(({ epoch }) => epoch)]);
  const turns = ranks([run?.turn, ...drivers.map(({ turn }) => turn)]);
  const claims = ranks([...effects, ...tries].map(({ claimEpoch }) => claimEpoch));
  const tryTurns = ranks([...effects, ...tries].map(({ turn }) => turn));
  const left = (count: number, most: number): number => Math.max(count, most - 1);
  return {
    ...world,
    retries: left(world.retries, MAX_RETRIES),
    ciResumes: left(world.ciResumes, MAX_CI_RESUMES),
    run: run && {
      ...run,
      epoch: epochs(run.epoch),
      turn: turns(run.turn),
      agent: { ...run.agent, epoch: epochs(run.agent.epoch) },
    },
    drivers: sorted(drivers.map((each) => ({ ...each, epoch: epochs(each.epoch), turn: turns(each.turn) }))),
    effects: sorted(
      effects.map((each) => ({ ...each, claimEpoch: claims(each.claimEpoch), turn: tryTurns(each.turn) })),
    ),
    tries: sorted(tries.map((each) => ({ ...each, claimEpoch: claims(each.claimEpoch), turn: tryTurns(each.turn) }))),
  };
}

/** Leaves out what no rule asks for any more. */
function forgotten(world: World): World {
  const { run, pull, remote, drivers, effects, tries, state } = world;
  const quiet = drivers.length + effects.length + tries.length === 0;
  const published = pull?.state !== 'publishing';
  const judged = state !== 'provisioning' && state !== 'running' && (state !== 'needs_attention' || published);
  const over = state === 'completed';
  return {
    ...world,
    ...(over ? { retries: 0, ciResumes: 0, unconfirmed: false } : {}),
    run: run?.state === 'finished' && quiet && judged && !run.agent.alive ? null : run,
    pull: pull && over && quiet ? { ...pull, mine: true, pushed: 'mine', merge: 'none' } : pull,
    remote: over && quiet ? { ...remote, head: 'mine' } : remote,
  };
}

/** Nothing of it is under way any more: it has ended, or waits for a person. */
export function isSettled({ state, intent, run, drivers, effects, tries, report }: World): boolean {
  const rests = state === 'needs_attention' || state === 'failed' || state === 'cancelled' || state === 'completed';
  const quiet = drivers.length + effects.length + tries.length === 0 && (run === null || run.state === 'finished');
  return rests && quiet && intent === null && (state !== 'completed' || report === 'settled');
}

/** What must never be, whatever led there; null when all is well. */
export function faultIn({ run, strays, remote, state, unconfirmed }: World): string | null {
  if (run !== null && run.agent.launches > 1) return 'two agent processes were started for one run';
  if ((run?.agent.alive === true ? 1 : 0) + strays > 1) return 'two agents of a task are alive at once';
  if (run?.state === 'finished' && !run.fenced && run.agent.alive) return 'an agent lives on after its run was judged';
  if (state === 'cancelled' && !unconfirmed && run?.agent.alive === true)
    return 'a task is cancelled as confirmed while its agent is alive';
  if (remote.pulls > 1) return 'a second pull request was opened';
  if (remote.merges > 1) return 'a pull request was merged twice';
  if (remote.comments > 1) return 'a comment was made twice';
  return null;
}

/** Position in the order of all values; 0 stays 0, because it says "never". */
function ranks(values: readonly (number | undefined)[]): (value: number) => number {
  const order = [...new Set([0, ...values.filter((value) => value !== undefined)])].sort((a, b) => a - b);
  return (value) => order.indexOf(value);
}

function sorted<T>(list: readonly T[]): readonly T[] {
  if (list.length < 2) return list;
  return list
    .map((each) => ({ each, key: JSON.stringify(each) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ each }) => each);
}
