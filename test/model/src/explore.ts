import { LAWS, type Laws } from './laws.js';
import { LocalGraph } from './local-graph.js';
import { System, type Size, type State } from './system.js';
import { Numbers, Visited } from './visited.js';

export interface Exploration {
  /** States that differ in more than the names of tasks and runners. */
  readonly states: number;
  readonly transitions: number;
  /** Worlds of a single task. */
  readonly worlds: number;
  readonly settled: number;
  /** The shortest way to what must not be, as numbered steps; null when there is none. */
  readonly counterexample: { readonly violation: string; readonly steps: readonly string[] } | null;
}

/** Every state that can be reached, in breadth; stops at the first that breaks a law. */
export function explore(size: Size, laws: Partial<Laws> = {}): Exploration {
  const graph = new LocalGraph(size.runners, { ...LAWS, ...laws }, size.focus);
  const system = new System(graph, size);
  const seen = new Visited();
  const parents = new Numbers();
  /** Fair steps, state after state; `from[n]` is where those of state n begin. */
  const edges = new Numbers();
  const from = new Numbers();
  let transitions = 0;
  let broken: { at: number; violation: string } | null = null;

  seen.add(system.key(system.initial));
  parents.push(-1);
  for (let at = 0; at < seen.size && broken === null; at += 1) {
    from.push(edges.length);
    system.visit(system.unpack(seen.at(at)), ({ to, fair, violation }) => {
      transitions += 1;
      const wrong = violation ?? (to === undefined ? null : system.faultIn(to));
      if (wrong !== null) broken ??= { at, violation: wrong };
      if (to === undefined) return;
      const before = seen.size;
      const next = seen.add(system.key(to));
      if (next === before) parents.push(at);
      if (fair && next !== at) edges.push(next);
    });
  }
  from.push(edges.length);
  const counts = { states: seen.size, transitions, worlds: graph.size };
  if (broken !== null) {
    const { at, violation } = broken as { at: number; violation: string };
    return {
      ...counts,
      settled: 0,
      counterexample: { violation, steps: trace(system, pathTo(seen, parents, at), violation) },
    };
  }
  const { settled, stuck } = backward(system, seen, edges, from);
  if (stuck === null) return { ...counts, settled, counterexample: null };
  const violation = 'nothing that happens by itself leads to an end from here';
  return {
    ...counts,
    settled,
    counterexample: { violation, steps: trace(system, pathTo(seen, parents, stuck), null) },
  };
}

/** From each state, once faults stop, an end can be reached: those that can are found backwards from the ends. */
function backward(
  system: System,
  seen: Visited,
  edges: Numbers,
  from: Numbers,
): { settled: number; stuck: number | null } {
  const good = new Uint8Array(seen.size);
  let settled = 0;
  for (let at = 0; at < seen.size; at += 1) if (system.isSettled(system.unpack(seen.at(at)))) settled += good[at] = 1;
  for (let changed = true; changed;) {
    changed = false;
    for (let at = seen.size - 1; at >= 0; at -= 1) {
      if (good[at] === 1) continue;
      for (let edge = from.at(at); edge < from.at(at + 1); edge += 1) {
        if (good[edges.at(edge)] !== 1) continue;
        good[at] = 1;
        changed = true;
        break;
      }
    }
  }
  const stuck = good.indexOf(0);
  return { settled, stuck: stuck < 0 ? null : stuck };
}

function pathTo(seen: Visited, parents: Numbers, at: number): number[] {
  const path: number[] = [];
  for (let index = at; index >= 0; index = parents.at(index)) path.push(seen.at(index));
  return path.reverse();
}

/** Walks the path again with the names that its tasks and runners have from the beginning. */
function trace(system: System, path: readonly number[], violation: string | null): readonly string[] {
  const steps: string[] = [];
  let state: State = system.initial;
  for (const key of path.slice(1)) {
    let found: { name: string; to: State } | null = null;
    system.visit(state, ({ name, to }) => {
      if (to !== undefined && system.key(to) === key) found ??= { name, to };
    });
    if (found === null) throw new Error('a path of the model can not be walked again');
    const { name, to } = found as { name: string; to: State };
    steps.push(name);
    state = to;
  }
  if (violation !== null) {
    let last = violation;
    system.visit(state, (transition) => {
      if (transition.violation === violation) last = `${transition.name}: ${violation}`;
    });
    steps.push(last);
  }
  return steps.map((step, index) => `${index + 1}. ${step}`);
}
