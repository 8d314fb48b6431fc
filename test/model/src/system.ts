import { decidePlacements } from '@capstan/scheduler/place-task/place-task.decide';
import type { LocalGraph } from './local-graph.js';

/** How large a system is explored. */
export interface Size {
  readonly runners: number;
  readonly tasks: number;
  /** Faults on one path at most. */
  readonly faults: number;
  /** Things that people ask, and that go otherwise than well, on one path at most. */
  readonly turns: number;
  /** Tasks whose run isn't finished, at most: fewer than there are tasks, so that one has to wait. */
  readonly limit: number;
  /**
   * Where the faults are. `runs`: among runners; what follows a judged run, its effects and what is decided on them, is
   * one step. `effects`: among executors; runners work without a fault.
   */
  readonly focus: 'runs' | 'effects';
}

/** The whole system: each task's world by its number, the runners that are paused as bits, and what is left. */
export interface State {
  readonly tasks: readonly number[];
  readonly paused: number;
  readonly faults: number;
  readonly turns: number;
}

export interface Transition {
  readonly name: string;
  /** Neither a fault nor a turn: it happens by itself in the end. */
  readonly fair: boolean;
  /** Undefined where a law is broken. */
  readonly to?: State;
  readonly violation?: string;
}

/** All steps of the system: those of its tasks, those that concern several of them, and the faults. */
export class System {
  readonly initial: State;
  /** Worlds of a task that a state's number has room for below 2^53. */
  private readonly worlds: number;
  private readonly orders: readonly (readonly number[])[];
  private readonly renamed: (number: number) => Int32Array;
  /** For each order, what bits become of which. */
  private readonly pausedBy: readonly (readonly number[])[];
  private readonly line: Int32Array;
  private readonly placements = new Map<string, readonly (readonly number[])[]>();

  constructor(
    readonly graph: LocalGraph,
    readonly size: Size,
  ) {
    const { tasks, faults, turns } = size;
    const others = (1 << size.runners) * (faults + 1) * (turns + 1);
    this.worlds = Math.floor((Number.MAX_SAFE_INTEGER / others) ** (1 / tasks));
    this.initial = { tasks: new Array<number>(tasks).fill(graph.first), paused: 0, faults, turns };
    this.orders = permutations(Array.from({ length: size.runners }, (_, index) => index));
    this.renamed = graph.renamed(this.orders);
    this.pausedBy = this.orders.map((order) =>
      Array.from({ length: 1 << size.runners }, (_, bits) =>
        order.reduce((sum, to, runner) => sum | (((bits >> runner) & 1) << to), 0),
      ),
    );
    this.line = new Int32Array(tasks);
  }

  visit(state: State, take: (transition: Transition) => void): void {
    state.tasks.forEach((number, task) => this.visitTask(state, task, number, take));
    this.visitRunners(state, take);
    this.visitExecutors(state, take);
    this.visitPlacement(state, take);
    this.visitPod(state, take);
  }

  isSettled({ tasks, paused }: State): boolean {
    return paused === 0 && tasks.every((number) => this.graph.of(number).settled);
  }

  /** What of the whole is wrong though each task is well; null when nothing is. */
  faultIn({ tasks }: State): string | null {
    const active = tasks.filter((number) => this.graph.of(number).unfinished).length;
    return active > this.size.limit ? `${active} runs where ${this.size.limit} are allowed` : null;
  }

  /** One number for all states that differ only in the names of runners and tasks. */
  key({ tasks, paused, faults, turns }: State): number {
    const named = tasks.map(this.renamed);
    let least = Infinity;
    for (let order = 0; order < this.orders.length; order += 1) {
      for (let task = 0; task < named.length; task += 1) {
        // Sorted as they come: there are few of them.
        let place = task;
        for (const number = named[task]![order]!; ; place -= 1) {
          if (place > 0 && this.line[place - 1]! > number) this.line[place] = this.line[place - 1]!;
          else {
            this.line[place] = number;
            break;
          }
        }
      }
      least = Math.min(least, this.pack(this.pausedBy[order]![paused]!, faults, turns));
    }
    return least;
  }

  unpack(key: number): State {
    let rest = key;
    const next = (base: number): number => {
      const digit = rest % base;
      rest = Math.floor(rest / base);
      return digit;
    };
    const turns = next(this.size.turns + 1);
    const faults = next(this.size.faults + 1);
    const paused = next(1 << this.size.runners);
    return { tasks: this.initial.tasks.map(() => next(this.worlds)), paused, faults, turns };
  }

  /** The number of the tasks in `line` and what goes with them. */
  private pack(paused: number, faults: number, turns: number): number {
    if (this.graph.size > this.worlds) throw new Error(`a task has more than ${this.worlds} worlds`);
    let key = 0;
    for (let task = this.line.length - 1; task >= 0; task -= 1) key = key * this.worlds + this.line[task]!;
    return (
      ((key * (1 << this.size.runners) + paused) * (this.size.faults + 1) + faults) * (this.size.turns + 1) + turns
    );
  }

  private visitTask(state: State, task: number, number: number, take: (transition: Transition) => void): void {
    for (const step of this.graph.of(number).steps) {
      if (step.faults > state.faults || step.turns > state.turns) continue;
      if (step.runner >= 0 && (state.paused & (1 << step.runner)) !== 0) continue;
      if (step.whilePaused >= 0 && (state.paused & (1 << step.whilePaused)) === 0) continue;
      const name = `task ${task + 1}: ${step.name}`;
      const fair = step.faults + step.turns === 0;
      if (step.violation !== null) take({ name, fair, violation: step.violation });
      else
        take({
          name,
          fair,
          to: {
            tasks: state.tasks.with(task, step.to()),
            paused: state.paused,
            faults: state.faults - step.faults,
            turns: state.turns - step.turns,
          },
        });
    }
  }

  /** A runner that remembers nothing is like any other: only those with a run in hand are paused or crash. */
  private visitRunners(state: State, take: (transition: Transition) => void): void {
    const busy = state.tasks.reduce((bits, number) => bits | this.graph.of(number).runners, 0);
    for (let runner = 0; runner < this.size.runners; runner += 1) {
      const bit = 1 << runner;
      if ((state.paused & bit) !== 0)
        take({ name: `runner ${runner + 1}: wakes up`, fair: true, to: { ...state, paused: state.paused & ~bit } });
      if (state.faults === 0 || (busy & bit) === 0 || this.size.focus === 'effects') continue;
      const faults = state.faults - 1;
      if ((state.paused & bit) === 0)
        take({
          name: `runner ${runner + 1}: is paused`,
          fair: false,
          to: { ...state, faults, paused: state.paused | bit },
        });
      const tasks = state.tasks.map((number) => this.graph.runnerCrashed(number, runner));
      take({
        name: `runner ${runner + 1}: crashes`,
        fair: false,
        to: { ...state, tasks, faults, paused: state.paused & ~bit },
      });
    }
  }

  private visitExecutors(state: State, take: (transition: Transition) => void): void {
    if (state.faults === 0) return;
    const faults = state.faults - 1;
    const facts = state.tasks.map((number) => this.graph.of(number));
    if (facts.some(({ awakeTries }) => awakeTries)) {
      const tasks = state.tasks.map((number) => this.graph.executorsPaused(number));
      take({ name: 'executors: are paused', fair: false, to: { ...state, tasks, faults } });
    }
    if (facts.filter(({ tries }) => tries).length > 1) {
      const tasks = state.tasks.map((number) => this.graph.executorsCrashed(number));
      take({ name: 'executors: crash', fair: false, to: { ...state, tasks, faults } });
    }
  }

  /** One placing pass. Which of several queued tasks comes first is left open: every order is tried. */
  private visitPlacement(state: State, take: (transition: Transition) => void): void {
    const facts = state.tasks.map((number) => this.graph.of(number));
    const queued = facts.flatMap((each, task) => (each.queued ? [task] : []));
    if (queued.length === 0) return;
    const active = facts.filter(({ unfinished }) => unfinished).length;
    const quarantined = facts.some(({ quarantine }) => quarantine);
    for (const placed of this.placedOf(queued, active, quarantined)) {
      const tasks = state.tasks.map((number, task) => (placed.includes(task) ? this.graph.placed(number) : number));
      take({
        name: `scheduler: places ${placed.map((task) => `task ${task + 1}`).join(', ')}`,
        fair: true,
        to: { ...state, tasks },
      });
    }
  }

  private placedOf(queued: readonly number[], active: number, quarantined: boolean): readonly (readonly number[])[] {
    const key = `${queued.join()} ${active} ${quarantined}`;
    const known = this.placements.get(key);
    if (known !== undefined) return known;
    const { limit } = this.size;
    const sets = permutations(queued).map((order) => {
      const room = Math.max(0, limit - active);
      const placements = decidePlacements({
        globalLimit: limit,
        active,
        workerRoom: this.size.tasks,
        batch: 50,
        repositories: [
          {
            id: 'repository',
            paused: false,
            credentialPaused: false,
            maxConcurrentTasks: limit,
            active,
            maxPodInstances: 1,
            maxAgentsPerPod: limit,
            pods: [
              {
                id: 'pod',
                ordinal: 0,
                state: 'ready',
                capacity: limit,
                usedSlots: Array.from({ length: active }, (_, slot) => slot),
                quarantined,
              },
            ],
          },
        ],
        queue: order.slice(0, room).map((task, place) => ({
          id: String(task),
          repositoryId: 'repository',
          priority: 100,
          createdAt: place,
          lastPodId: null,
        })),
      });
      return placements.map(({ taskId }) => Number(taskId)).sort((a, b) => a - b);
    });
    const different = [...new Map(sets.map((set) => [set.join(), set])).values()].filter((set) => set.length > 0);
    this.placements.set(key, different);
    return different;
  }

  /** pod-pool replaces a pod that takes nothing new, once no run is live there. */
  private visitPod(state: State, take: (transition: Transition) => void): void {
    const facts = state.tasks.map((number) => this.graph.of(number));
    if (!facts.some(({ quarantine }) => quarantine) || facts.some(({ unfinished }) => unfinished)) return;
    const tasks = state.tasks.map((number) => this.graph.podReplaced(number));
    take({ name: 'pod-pool: replaces the pod', fair: true, to: { ...state, tasks } });
  }
}

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length <= 1) return [[...list]];
  return list.flatMap((first, index) => permutations(list.toSpliced(index, 1)).map((rest) => [first, ...rest]));
}
