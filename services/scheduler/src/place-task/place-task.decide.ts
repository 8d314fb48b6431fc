import type { Id } from '@capstan/domain';

/** What placement sees, read under its lock. Lists are in queue order: priority, then age, then id. */
export interface PlaceSnapshot {
  readonly globalLimit: number;
  /** Tasks whose run is not finished, everywhere. Publishing needs no agent and holds no place. */
  readonly active: number;
  /** Agents that ready workers can still drive. */
  readonly workerRoom: number;
  readonly repositories: readonly PlaceRepository[];
  /** At most as many per repository as it has room for; all of them may be placed. */
  readonly queue: readonly QueuedTask[];
  /** Placements of one pass. */
  readonly batch: number;
}

export interface PlaceRepository {
  readonly id: Id;
  readonly paused: boolean;
  /** Its credential is limited by the provider. */
  readonly credentialPaused: boolean;
  readonly maxConcurrentTasks: number;
  readonly active: number;
  readonly maxPodInstances: number;
  readonly maxAgentsPerPod: number;
  /** Every pod that isn't deleted. */
  readonly pods: readonly PlacePod[];
}

export interface PlacePod {
  readonly id: Id;
  readonly ordinal: number;
  readonly state: 'provisioning' | 'ready' | 'error' | 'terminating';
  readonly capacity: number;
  readonly usedSlots: readonly number[];
  /** A run of it was fenced off, or the pod is parked and nobody looks after it: nothing new goes there. */
  readonly quarantined: boolean;
}

export interface QueuedTask {
  readonly id: Id;
  readonly repositoryId: Id;
  readonly priority: number;
  /** Unix ms. */
  readonly createdAt: number;
  readonly lastPodId: Id | null;
}

export type Placement = {
  readonly taskId: Id;
  readonly slot: number;
} & (
  | { readonly pod: 'existing'; readonly podId: Id; readonly ready: boolean }
  /** `ordinal` names a pod that this pass makes; several placements may share it. */
  | { readonly pod: 'new'; readonly ordinal: number }
);

interface OpenPod {
  readonly id: Id | null;
  readonly ordinal: number;
  readonly state: PlacePod['state'];
  readonly capacity: number;
  readonly used: Set<number>;
}

interface Room {
  readonly repository: PlaceRepository;
  readonly pods: OpenPod[];
  active: number;
}

/**
 * Places as many queued tasks as the limits allow, in queue order. A task whose repository is full is passed over, so
 * it never holds up those behind it; the order among placeable tasks is total, so ties are stable.
 */
export function decidePlacements(snapshot: PlaceSnapshot): readonly Placement[] {
  const rooms = new Map(snapshot.repositories.map((repository) => [repository.id, roomOf(repository)]));
  const placements: Placement[] = [];
  let free = Math.min(snapshot.globalLimit - snapshot.active, snapshot.workerRoom, snapshot.batch);
  for (const task of [...snapshot.queue].sort(inQueueOrder)) {
    if (free <= 0) break;
    const room = rooms.get(task.repositoryId);
    if (room === undefined || !mayPlace(room)) continue;
    const pod = choosePod(room, task.lastPodId);
    if (pod === null) continue;
    const slot = lowestFree(pod);
    pod.used.add(slot);
    room.active += 1;
    free -= 1;
    placements.push(
      pod.id === null
        ? { taskId: task.id, slot, pod: 'new', ordinal: pod.ordinal }
        : { taskId: task.id, slot, pod: 'existing', podId: pod.id, ready: pod.state === 'ready' },
    );
  }
  return placements;
}

export function inQueueOrder(a: QueuedTask, b: QueuedTask): number {
  return a.priority - b.priority || a.createdAt - b.createdAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

function roomOf(repository: PlaceRepository): Room {
  const pods = repository.pods
    .filter((pod) => !pod.quarantined)
    .map((pod) => ({
      id: pod.id,
      ordinal: pod.ordinal,
      state: pod.state,
      capacity: pod.capacity,
      used: new Set(pod.usedSlots),
    }));
  return { repository, pods, active: repository.active };
}

function mayPlace({ repository, active }: Room): boolean {
  return !repository.paused && !repository.credentialPaused && active < repository.maxConcurrentTasks;
}

/** The last pod on a retry, else the least loaded ready pod, else one that is being made, else a new one, else none. */
function choosePod(room: Room, lastPodId: Id | null): OpenPod | null {
  const open = room.pods.filter((pod) => pod.used.size < pod.capacity);
  const last = open.find((pod) => pod.id !== null && pod.id === lastPodId && pod.state === 'ready');
  if (last !== undefined) return last;
  const byLoad = (a: OpenPod, b: OpenPod): number => a.used.size - b.used.size || a.ordinal - b.ordinal;
  const ready = open.filter((pod) => pod.state === 'ready').sort(byLoad)[0];
  if (ready !== undefined) return ready;
  const coming = open.filter((pod) => pod.state === 'provisioning').sort(byLoad)[0];
  if (coming !== undefined) return coming;
  const { repository } = room;
  const made = room.pods.filter((pod) => pod.id === null).length;
  if (repository.pods.length + made >= repository.maxPodInstances) return null;
  const pod: OpenPod = {
    id: null,
    ordinal: lowestOrdinal(repository, room.pods),
    state: 'provisioning',
    capacity: repository.maxAgentsPerPod,
    used: new Set(),
  };
  room.pods.push(pod);
  return pod;
}

function lowestOrdinal(repository: PlaceRepository, pods: readonly OpenPod[]): number {
  const taken = new Set([...repository.pods, ...pods].map(({ ordinal }) => ordinal));
  let ordinal = 0;
  while (taken.has(ordinal)) ordinal += 1;
  return ordinal;
}

function lowestFree(pod: OpenPod): number {
  let slot = 0;
  while (pod.used.has(slot)) slot += 1;
  return slot;
}
