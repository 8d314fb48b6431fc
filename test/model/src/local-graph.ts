import { EFFECT_DEADLINE_MS } from '@capstan/domain';
import { aged, effectSteps, newRun } from './effect-steps.js';
import type { Laws } from './laws.js';
import { runnerSteps } from './runner-steps.js';
import { changed, schedulerSteps } from './scheduler-steps.js';
import { watcherSteps } from './watcher-steps.js';
import { QUEUED, faultIn, isSettled, normal, type Step, type World } from './world.js';

/** One step of one task. */
export interface LocalStep {
  readonly name: string;
  /** -1 where no runner is needed. */
  readonly runner: number;
  readonly whilePaused: number;
  readonly faults: number;
  readonly turns: number;
  readonly violation: string | null;
  /** The number of the world that it leads to; not there where a law is broken. */
  to(): number;
}

/** What the system asks of a task's world again and again. */
export interface LocalFacts {
  readonly steps: readonly LocalStep[];
  /** One bit for each runner that remembers something of it. */
  readonly runners: number;
  readonly tries: boolean;
  readonly awakeTries: boolean;
  readonly unfinished: boolean;
  readonly queued: boolean;
  readonly quarantine: boolean;
  readonly settled: boolean;
}

type Change = (world: World) => World;

/**
 * The worlds of one task, each made once and known by a number, with its steps. All tasks share it: the decide
 * functions are asked once per world of a task, not once per state of the system.
 */
export class LocalGraph {
  private readonly numbers = new Map<string, number>();
  private readonly worlds: World[] = [];
  private readonly facts: (LocalFacts | undefined)[] = [];
  private readonly changes = new Map<string, number[]>();
  readonly first: number;

  constructor(
    private readonly runners: number,
    private readonly laws: Laws,
    private readonly focus: 'runs' | 'effects',
  ) {
    this.first = this.numberOf(QUEUED);
  }

  get size(): number {
    return this.worlds.length;
  }

  world(number: number): World {
    return this.worlds[number]!;
  }

  of(number: number): LocalFacts {
    return (this.facts[number] ??= this.explore(this.worlds[number]!));
  }

  /** Where a change of the whole system takes a task. */
  placed(number: number): number {
    return this.change('placed', number, (world) => {
      const next = changed(world, 'place', {});
      if (typeof next === 'string') throw new Error(next);
      const drivers = strays(world);
      return { ...aged(next), run: newRun(), drivers };
    });
  }
  podReplaced(number: number): number {
    return this.change('pod replaced', number, (world) => ({
      ...world,
      quarantine: false,
      strays: 0,
      // What a fenced run left behind in a runner's memory reaches nothing any more.
      drivers: world.drivers.filter(({ at }) => at !== 'stray' && world.run?.fenced !== true),
      run: world.run && { ...world.run, agent: { ...world.run.agent, alive: false } },
    }));
  }
  runnerCrashed(number: number, runner: number): number {
    return this.change(`crash ${runner}`, number, (world) => ({
      ...world,
      drivers: world.drivers.filter((each) => each.runner !== runner),
    }));
  }
  executorsPaused(number: number): number {
    return this.change('executors paused', number, (world) => ({
      ...world,
      tries: world.tries.map((each) => ({ ...each, asleep: true })),
    }));
  }
  executorsCrashed(number: number): number {
    return this.change('executors crashed', number, (world) => ({ ...world, tries: [] }));
  }
  /** The same world with its runners renamed: by number, a list for each of the orders. */
  renamed(orders: readonly (readonly number[])[]): (number: number) => Int32Array {
    const known: Int32Array[] = [];
    return (number) =>
      (known[number] ??= Int32Array.from(orders, (order) => {
        const world = this.worlds[number]!;
        const drivers = world.drivers.map((each) => ({ ...each, runner: order[each.runner]! }));
        return this.numberOf({ ...world, drivers });
      }));
  }

  private change(name: string, number: number, work: Change): number {
    let known = this.changes.get(name);
    if (known === undefined) this.changes.set(name, (known = []));
    return (known[number] ??= this.numberOf(this.swiftly(work(this.worlds[number]!))));
  }

  private numberOf(world: World): number {
    const plain = normal(powerful(world, this.laws));
    const key = JSON.stringify(plain);
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    this.numbers.set(key, this.worlds.length);
    return this.worlds.push(plain) - 1;
  }

  private explore(world: World): LocalFacts {
    const steps = [
      ...schedulerSteps(world),
      ...runnerSteps(world, this.runners, this.laws),
      ...watcherSteps(world),
      ...effectSteps(world, this.laws),
    ];
    return {
      steps: steps.map((step) => this.numbered(step)),
      runners: world.drivers.reduce((bits, { runner }) => bits | (1 << runner), 0),
      tries: world.tries.length > 0,
      awakeTries: world.tries.some(({ asleep }) => !asleep),
      unfinished: world.run !== null && world.run.state !== 'finished',
      queued: world.state === 'queued',
      quarantine: world.quarantine,
      settled: isSettled(world),
    };
  }

  /** What isn't in focus happens at once and without a fault, as far as it happens by itself. */
  private swiftly(world: World): World {
    let now = world;
    for (;;) {
      const next = this.unfocused(now).find(
        ({ fault, turn, whilePaused }) => fault !== true && turn !== true && whilePaused === undefined,
      )?.to;
      if (next === undefined) return now;
      if (typeof next === 'string') throw new Error(next);
      now = next;
    }
  }

  private unfocused(world: World): readonly Step[] {
    if (world.run === null || world.state === 'queued') return [];
    const judged = world.run.state === 'finished';
    if (this.focus === 'effects')
      return judged ? [] : [...schedulerSteps(world), ...runnerSteps(world, this.runners, this.laws)];
    return judged ? [...schedulerSteps(world), ...watcherSteps(world), ...effectSteps(world, this.laws)] : [];
  }

  private numbered({ name, runner = -1, whilePaused = -1, fault, turn, to }: Step): LocalStep {
    const next = typeof to === 'string' ? to : this.swiftly(to);
    const violation = typeof next === 'string' ? next : faultIn(next);
    let known = -1;
    return {
      name,
      runner,
      whilePaused,
      faults: fault === true ? 1 : 0,
      turns: turn === true ? 1 : 0,
      violation,
      // A world gets its number when somebody goes there: many a step is never taken, for faults are few.
      to: () => (known < 0 && typeof next !== 'string' ? (known = this.numberOf(next)) : known),
    };
  }
}

/**
 * Leaves out memories that can do nothing any more: epochs only rise and deadlines only pass, so what the laws in force
 * refuse now they refuse for ever. Under a broken law such a memory stays, and does its harm.
 */
function powerful(world: World, laws: Laws): World {
  const { run, drivers, effects, tries } = world;
  const drives = (each: World['drivers'][number]): boolean =>
    each.at === 'stray' ||
    (run !== null && (laws.mayWriteRun(run, each) || !laws.supervisorFences || each.epoch >= run.agent.epoch));
  const acts = (each: World['tries'][number]): boolean => {
    const effect = effects.find(({ kind, mine }) => kind === each.kind && mine === each.mine);
    if (effect !== undefined && laws.claimHolds(effect, each)) return true;
    const now = each.late ? EFFECT_DEADLINE_MS : 0;
    return each.at === 'acting' && laws.mayLeave({ now, deadline: EFFECT_DEADLINE_MS });
  };
  if (drivers.every(drives) && tries.every(acts)) return world;
  return { ...world, drivers: drivers.filter(drives), tries: tries.filter(acts) };
}

/** Drivers that could still start an agent of a run which is over. Whatever else they do is refused. */
function strays({ drivers, run }: World): World['drivers'] {
  return drivers.flatMap((each) => {
    const starts =
      each.at === 'stray' || (each.at === 'leased' && run?.agent.launches === 0 && each.epoch >= run.agent.epoch);
    return starts ? [{ runner: each.runner, epoch: 0, turn: 0, at: 'stray' as const }] : [];
  });
}
