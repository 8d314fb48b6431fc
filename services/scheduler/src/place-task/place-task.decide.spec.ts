import fc from 'fast-check';
import { decidePlacements, type PlaceRepository, type PlaceSnapshot } from './place-task.decide.js';

const POD_STATES = ['provisioning', 'ready', 'error', 'terminating'] as const;

const pod = fc.record({
  ordinal: fc.nat(4),
  state: fc.constantFrom(...POD_STATES),
  capacity: fc.integer({ min: 1, max: 4 }),
  usedSlots: fc.uniqueArray(fc.nat(3), { maxLength: 4 }),
  quarantined: fc.boolean(),
});

const repository = (id: string): fc.Arbitrary<PlaceRepository> =>
  fc.record({
    id: fc.constant(id),
    paused: fc.boolean(),
    credentialPaused: fc.boolean(),
    maxConcurrentTasks: fc.integer({ min: 1, max: 5 }),
    active: fc.nat(5),
    maxPodInstances: fc.integer({ min: 1, max: 3 }),
    maxAgentsPerPod: fc.integer({ min: 1, max: 3 }),
    pods: fc
      .uniqueArray(pod, { selector: ({ ordinal }) => ordinal, maxLength: 3 })
      .map((pods) => pods.map((each) => ({ ...each, id: `${id}-pod-${each.ordinal}` }))),
  });

const snapshot: fc.Arbitrary<PlaceSnapshot> = fc
  .tuple(repository('a'), repository('b'), repository('c'))
  .chain((repositories) =>
    fc.record({
      globalLimit: fc.nat(12),
      active: fc.nat(8),
      workerRoom: fc.nat(12),
      batch: fc.constant(50),
      repositories: fc.constant(repositories),
      queue: fc
        .array(
          fc.record({
            repositoryId: fc.constantFrom('a', 'b', 'c'),
            priority: fc.nat(3),
            createdAt: fc.nat(3),
            lastPodId: fc.option(
              fc.constantFrom(...repositories.flatMap(({ pods }) => pods.map(({ id }) => id)), 'gone'),
            ),
          }),
          { maxLength: 15 },
        )
        .map((tasks) => tasks.map((task, index) => ({ ...task, id: `t${String(index).padStart(2, '0')}` }))),
    }),
  );

const one = (over: Partial<PlaceRepository> = {}): PlaceRepository => ({
  id: 'a',
  paused: false,
  credentialPaused: false,
  maxConcurrentTasks: 5,
  active: 0,
  maxPodInstances: 1,
  maxAgentsPerPod: 2,
  pods: [],
  ...over,
});
const ready = (id: string, ordinal: number, usedSlots: number[] = []) =>
  ({ id, ordinal, state: 'ready', capacity: 2, usedSlots, quarantined: false }) as const;
const queued = (id: string, lastPodId: string | null = null) => ({
  id,
  repositoryId: 'a',
  priority: 100,
  createdAt: 1,
  lastPodId,
});
const decide = (repositories: PlaceRepository[], queue: ReturnType<typeof queued>[]) =>
  decidePlacements({ globalLimit: 10, active: 0, workerRoom: 10, batch: 50, repositories, queue });

describe('decidePlacements', () => {
  it('never exceeds a limit and never gives a slot twice', () => {
    fc.assert(
      fc.property(snapshot, (world) => {
        const placements = decidePlacements(world);
        const room = Math.max(0, Math.min(world.globalLimit - world.active, world.workerRoom));
        expect(placements.length).toBeLessThanOrEqual(room);
        const repositoryOf = new Map(world.queue.map((task) => [task.id, task.repositoryId]));
        for (const each of world.repositories) {
          const mine = placements.filter(({ taskId }) => repositoryOf.get(taskId) === each.id);
          if (each.paused || each.credentialPaused) expect(mine).toHaveLength(0);
          expect(mine.length).toBeLessThanOrEqual(Math.max(0, each.maxConcurrentTasks - each.active));
          const fresh = new Set(mine.flatMap((placement) => (placement.pod === 'new' ? [placement.ordinal] : [])));
          if (fresh.size > 0) expect(each.pods.length + fresh.size).toBeLessThanOrEqual(each.maxPodInstances);
          const slots = mine.map(
            (placement) => `${placement.pod === 'new' ? placement.ordinal : placement.podId}/${placement.slot}`,
          );
          expect(new Set(slots).size).toBe(slots.length);
          for (const placement of mine) {
            if (placement.pod === 'new') {
              expect(each.pods.some(({ ordinal }) => ordinal === placement.ordinal)).toBe(false);
              expect(placement.slot).toBeLessThan(each.maxAgentsPerPod);
              continue;
            }
            const target = each.pods.find(({ id }) => id === placement.podId)!;
            expect(target.quarantined).toBe(false);
            expect(['ready', 'provisioning']).toContain(target.state);
            expect(target.usedSlots).not.toContain(placement.slot);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('is stable: the order of the input does not matter, and a second look at the same world agrees', () => {
    fc.assert(
      fc.property(snapshot, (world) => {
        expect(decidePlacements({ ...world, queue: [...world.queue].reverse() })).toEqual(decidePlacements(world));
      }),
    );
  });

  it('leaves nobody behind who could be placed', () => {
    fc.assert(
      fc.property(snapshot, (world) => {
        const placements = decidePlacements(world);
        const placed = new Set(placements.map(({ taskId }) => taskId));
        if (placements.length >= Math.min(world.globalLimit - world.active, world.workerRoom)) return;
        for (const each of world.repositories) {
          const left = world.queue.filter((task) => task.repositoryId === each.id && !placed.has(task.id));
          const mine = world.queue.filter((task) => task.repositoryId === each.id && placed.has(task.id)).length;
          const open = each.pods.filter(
            ({ state, quarantined }) => !quarantined && (state === 'ready' || state === 'provisioning'),
          );
          const slots = open.reduce(
            (sum, { capacity, usedSlots }) => sum + Math.max(0, capacity - usedSlots.length),
            0,
          );
          const further = Math.max(0, each.maxPodInstances - each.pods.length) * each.maxAgentsPerPod;
          const capacity =
            each.paused || each.credentialPaused
              ? 0
              : Math.min(Math.max(0, each.maxConcurrentTasks - each.active), slots + further);
          expect(left.length === 0 || mine >= capacity).toBe(true);
        }
      }),
    );
  });

  it('does not starve behind a head that fits nowhere', () => {
    const full = one({ id: 'full', active: 5 });
    const placements = decide([full, one()], [{ ...queued('t1'), repositoryId: 'full', priority: 0 }, queued('t2')]);
    expect(placements.map(({ taskId }) => taskId)).toEqual(['t2']);
  });

  it('prefers the last pod, then the least loaded', () => {
    const repositories = [one({ maxPodInstances: 2, pods: [ready('p0', 0, [0]), ready('p1', 1)] })];
    expect(decide(repositories, [queued('t1', 'p0')])).toEqual([
      { taskId: 't1', slot: 1, pod: 'existing', podId: 'p0', ready: true },
    ]);
    expect(decide(repositories, [queued('t1')])).toEqual([
      { taskId: 't1', slot: 0, pod: 'existing', podId: 'p1', ready: true },
    ]);
  });

  it('makes one pod for all that it can hold', () => {
    expect(decide([one()], [queued('t1'), queued('t2'), queued('t3')])).toEqual([
      { taskId: 't1', slot: 0, pod: 'new', ordinal: 0 },
      { taskId: 't2', slot: 1, pod: 'new', ordinal: 0 },
    ]);
  });
});
