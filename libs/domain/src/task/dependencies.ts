import type { Id } from '../ids.js';

/** `taskId` waits for `dependsOnId`. */
export interface DependencyEdge {
  readonly taskId: Id;
  readonly dependsOnId: Id;
}

/**
 * The cycle that making `taskId` wait for `dependsOn` would close, as ids from `taskId` back to itself; null for none.
 * @param edges what stands already; edges of `taskId` itself are taken as replaced.
 */
export function findCycle(
  edges: readonly DependencyEdge[],
  taskId: Id,
  dependsOn: readonly Id[],
): readonly Id[] | null {
  const waitsFor = new Map<Id, Id[]>();
  for (const edge of edges) {
    if (edge.taskId === taskId) continue;
    const list = waitsFor.get(edge.taskId);
    if (list === undefined) waitsFor.set(edge.taskId, [edge.dependsOnId]);
    else list.push(edge.dependsOnId);
  }
  const seen = new Set<Id>();
  const stack: Id[][] = dependsOn.map((id) => [taskId, id]);
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    const last = path.at(-1)!;
    if (last === taskId) return path;
    if (seen.has(last)) continue;
    seen.add(last);
    for (const next of waitsFor.get(last) ?? []) stack.push([...path, next]);
  }
  return null;
}
