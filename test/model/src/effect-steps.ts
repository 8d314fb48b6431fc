import { EFFECT_DEADLINE_MS, type EffectKind } from '@capstan/domain';
import { whyNotMerge } from '@capstan/pr-watcher/merge/merge.decide';
import { whyNotOpen } from '@capstan/pr-watcher/open/open.decide';
import type { Laws } from './laws.js';
import { pullRow, requestOpen, whyNotPush } from './watcher-steps.js';
import type { EffectRow, Remote, RunRow, Step, Try, World } from './world.js';

/** What the executors do with one task's effects, on a remote that has its own guards. */
export function effectSteps(world: World, laws: Laws): Step[] {
  return [
    ...world.effects.flatMap((effect) => [...claim(world, effect, laws), ...lapse(world, effect)]),
    ...world.tries.flatMap((each) => trySteps(world, each, laws)),
  ];
}

/** Claims, and looks at the remote: nobody else may act on it before the claim lapses, so nothing comes between. */
function claim(world: World, effect: EffectRow, laws: Laws): Step[] {
  const { state, lapsed } = effect;
  if (!laws.mayClaim({ state, lapsed, parked: false, paused: false, resting: false, attempts: 0 })) return [];
  const row: EffectRow = {
    ...effect,
    state: 'claimed',
    claimEpoch: effect.claimEpoch + 1,
    turn: effect.turn + 1,
    lapsed: false,
  };
  const { kind, mine, claimEpoch, turn } = row;
  const found = laws.looks ? look(world, row) : null;
  const at = found === null ? 'acting' : 'settling';
  const each: Try = { kind, mine, claimEpoch, turn, at, outcome: found, asleep: false, late: false };
  return [
    {
      name: `executor: claims ${kind}${found === null ? '' : ', and finds it done'}`,
      to: { ...replaced(world, effect, row), tries: [...world.tries, each] },
    },
  ];
}

/** What the remote shows of the effect: it was done, it can't be any more, or neither. */
function look({ remote, pull }: World, { kind, mine }: Pick<EffectRow, 'kind' | 'mine'>): 'done' | 'refused' | null {
  switch (kind) {
    case 'push_branch':
      return mine && remote.head === 'mine' ? 'done' : null;
    case 'open_pull_request':
      if (pull === null || pull.mine !== mine || pull.pushed === 'none') return 'refused';
      return remote.pulls > 0 ? 'done' : null;
    case 'merge_pull_request':
      if (remote.merges > 0) return 'done';
      return remote.head === (mine ? 'mine' : 'older') ? null : 'refused';
    default:
      return remote.comments > 0 ? 'done' : null;
  }
}

/** Time passes beyond the claim and another deadline: its holder is paused, or its memory is gone. */
function lapse(world: World, effect: EffectRow): Step[] {
  if (effect.state !== 'claimed' || effect.lapsed) return [];
  const holders = world.tries.filter((each) => isOf(each, effect) && each.claimEpoch === effect.claimEpoch);
  if (holders.some(({ asleep }) => !asleep)) return [];
  const tries = world.tries.map((each) => (holders.includes(each) ? { ...each, late: true } : each));
  return [
    {
      name: `a claim of ${effect.kind} runs out`,
      to: { ...replaced(world, effect, { ...effect, lapsed: true }), tries },
    },
  ];
}

function trySteps(world: World, each: Try, laws: Laws): Step[] {
  if (each.asleep) return [{ name: 'executor: wakes up', to: changedTry(world, each, { ...each, asleep: false }) }];
  const crash: Step = { name: 'executor: crashes', fault: true, to: without(world, each) };
  if (each.at === 'settling')
    return [crash, { name: `executor: records ${each.kind} as ${each.outcome}`, to: settle(world, each, laws) }];
  const now = each.late ? EFFECT_DEADLINE_MS : 0;
  if (!laws.mayLeave({ now, deadline: EFFECT_DEADLINE_MS }))
    return [{ name: `executor: may not send ${each.kind} any more`, to: givenBack(world, each, laws) }];
  const refusal = whyNotSend(world, each);
  if (refusal !== null) {
    const to = changedTry(world, each, { ...each, at: 'settling', outcome: 'refused' });
    return [crash, { name: `executor: does not send ${each.kind}`, to }];
  }
  const sent = { ...world, remote: acted(world.remote, each) };
  return [
    crash,
    {
      name: `executor: sends ${each.kind}`,
      to: changedTry(sent, each, { ...each, at: 'settling', outcome: outcomeOfAct(world, each) }),
    },
    { name: `executor: sends ${each.kind}, and the answer is lost`, fault: true, to: givenBack(sent, each, laws) },
  ];
}

/** The services' own question immediately before the request leaves. */
function whyNotSend(world: World, { kind, mine }: Try): string | null {
  const { pull, run, state, intent } = world;
  switch (kind) {
    case 'push_branch':
      return mine ? whyNotPush(world) : 'a later run took its place';
    case 'open_pull_request':
      return whyNotOpen({ state, intent, generation: 1 }, pullRow(pull!));
    case 'merge_pull_request': {
      const busy = intent !== null || (run !== null && run.state !== 'finished');
      const row = { ...pullRow(pull!), taskGeneration: 1, taskState: state, busy, paused: false, autoMerge: true };
      return whyNotMerge(row, mine ? 'mine' : 'older');
    }
    default:
      return null;
  }
}

/** The remote under its guards: a ref by its old value, a pull request by its head, a merge by its commit; a comment has none. */
function acted(remote: Remote, { kind, mine }: Try): Remote {
  switch (kind) {
    case 'push_branch':
      return mine ? { ...remote, head: 'mine' } : remote;
    case 'open_pull_request':
      return remote.pulls > 0 ? remote : { ...remote, pulls: 1 };
    case 'merge_pull_request':
      return remote.merges > 0 || remote.head !== (mine ? 'mine' : 'older')
        ? remote
        : { ...remote, merges: remote.merges + 1 };
    default:
      return { ...remote, comments: remote.comments + 1 };
  }
}

/** What the request came to: refused by a guard, the executor looks again. */
function outcomeOfAct(world: World, { kind, mine }: Try): 'done' | 'refused' {
  if (kind !== 'merge_pull_request' || world.remote.merges > 0) return 'done';
  return world.remote.head === (mine ? 'mine' : 'older') ? 'done' : 'refused';
}

function settle(world: World, each: Try, laws: Laws): World | string {
  const effect = world.effects.find((row) => isOf(each, row));
  const rest = without(world, each);
  if (effect === undefined || !laws.claimHolds(effect, each)) return rest;
  if (effect.turn !== each.turn) return `an executor whose claim of ${each.kind} was taken over recorded it`;
  return recorded({ ...rest, effects: rest.effects.filter((row) => row !== effect) }, each);
}

/** The rows that go with the result, in the transaction that settles the effect. */
function recorded(world: World, { kind, mine, outcome }: Try): World {
  const { pull, run } = world;
  const done = outcome === 'done';
  const settled = done ? 'done' : 'refused';
  switch (kind) {
    case 'push_branch': {
      if (!mine || run === null) return world;
      const next: World = { ...world, run: { ...run, push: settled } };
      if (!done || pull?.mine !== true || pull.state !== 'publishing') return next;
      const row = { ...pull, pushed: 'mine', refusal: null, merge: 'none' } as const;
      return pull.numbered ? { ...next, pull: { ...row, state: 'open' } } : requestOpen({ ...next, pull: row });
    }
    case 'open_pull_request': {
      const next: World = mine && run !== null ? { ...world, run: { ...run, open: settled } } : world;
      if (!done || pull?.mine !== mine || pull.state !== 'publishing') return next;
      return { ...next, pull: { ...pull, numbered: true, state: 'open' } };
    }
    case 'merge_pull_request': {
      if (pull === null || pull.state === 'merged') return world;
      if (done) return { ...world, pull: { ...pull, state: 'merged', refusal: null } };
      return isHead(pull.pushed, mine) ? { ...world, pull: { ...pull, merge: 'stale' } } : world;
    }
    default:
      return { ...world, report: 'settled' };
  }
}

function isHead(pushed: NonNullable<World['pull']>['pushed'], mine: boolean): boolean {
  return pushed === (mine ? 'mine' : 'older');
}

/** A failed try: asked for again, unless somebody else has it by now. */
function givenBack(world: World, each: Try, laws: Laws): World {
  const effect = world.effects.find((row) => isOf(each, row));
  const rest = without(world, each);
  if (effect === undefined || !laws.claimHolds(effect, each)) return rest;
  return replaced(rest, effect, { ...effect, state: 'requested', lapsed: false });
}

/** The present run becomes one of the past: what is its own is an older run's from now on. */
export function aged(world: World): World {
  const { pull, remote } = world;
  const older = <T extends { readonly mine: boolean; readonly kind: EffectKind }>(list: readonly T[]): T[] =>
    list.map((each) => (each.kind === 'comment_ticket' ? each : { ...each, mine: false }));
  return {
    ...world,
    pull: pull && { ...pull, mine: false, pushed: pull.pushed === 'mine' ? 'older' : pull.pushed },
    effects: older(world.effects),
    tries: older(world.tries),
    remote: { ...remote, head: remote.head === 'mine' ? 'older' : remote.head },
  };
}

export function newRun(): RunRow {
  return {
    state: 'placed',
    epoch: 0,
    turn: 0,
    ranOut: true,
    outcome: null,
    fenced: false,
    push: 'none',
    open: 'none',
    agent: { launches: 0, alive: false, exit: null, epoch: 0 },
  };
}

function isOf(each: Pick<Try, 'kind' | 'mine'>, effect: EffectRow): boolean {
  return each.kind === effect.kind && each.mine === effect.mine;
}

function replaced(world: World, effect: EffectRow, by: EffectRow): World {
  return { ...world, effects: world.effects.map((each) => (each === effect ? by : each)) };
}

function changedTry(world: World, each: Try, by: Try): World {
  return { ...world, tries: world.tries.map((other) => (other === each ? by : other)) };
}

function without(world: World, each: Try): World {
  return { ...world, tries: world.tries.filter((other) => other !== each) };
}
