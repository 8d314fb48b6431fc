import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogLine } from '#lib/api/types.ts';
import { LogFollow, type LogFollowState } from './log-follow.ts';

const TOTAL = 20_000;
const line = (sequence: number): LogLine => ({
  sequence,
  at: '2026-01-01T00:00:00.000Z',
  kind: 'text',
  text: `line ${sequence}`,
});

/** Steps of a world without a clock: every answer and every timer waits in one queue until it is its turn. */
class World {
  stored = 0;
  ended = false;
  isUp = false;
  /** The room refuses, although the link is up. */
  isRoomClosed = false;
  isInRoom = false;
  readonly got: number[] = [];
  readonly pages: number[] = [];
  state: LogFollowState | null = null;
  follow: LogFollow;
  readonly #due: (() => void)[] = [];

  constructor(readonly pageLines: number) {
    this.follow = new LogFollow(
      {
        follow: () =>
          this.#later(() => {
            if (this.isRoomClosed) throw new Error('too many at once');
            this.isInRoom = true;
            return { head: this.stored, ended: this.ended };
          }),
        unfollow: () => undefined,
        page: (after) =>
          this.#later(() => {
            this.pages.push(after);
            const to = Math.min(this.stored, after + this.pageLines);
            return {
              runId: 'run',
              lines: range(after + 1, to).map(line),
              head: this.stored,
              ended: this.ended,
              expiredAt: null,
            };
          }),
        wait: (_ms, then) => {
          let isWanted = true;
          this.#due.push(() => isWanted && then());
          return () => void (isWanted = false);
        },
      },
      {
        lines: (lines) => this.got.push(...lines.map(({ sequence }) => sequence)),
        state: (state) => (this.state = state),
      },
    );
  }

  up(): void {
    this.isUp = true;
    void this.follow.connected();
  }

  down(): void {
    this.isUp = false;
    this.follow.disconnected();
  }

  /** Lets a number of answers arrive; those that were asked while the gateway is away fail. */
  async turn(steps = 1): Promise<void> {
    for (let step = 0; step < steps; step++) {
      this.#due.shift()?.();
      for (let pass = 0; pass < 6; pass++) await Promise.resolve();
    }
  }

  async settle(): Promise<void> {
    for (let turns = 0; turns < 50_000 && (this.#due.length > 0 || turns < 3); turns++) await this.turn();
  }

  #later<Value>(answer: () => Value): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.#due.push(() => {
        if (!this.isUp) return reject(new Error('gateway away'));
        try {
          resolve(answer());
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

const range = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_one, index) => from + index);

describe('following a log', () => {
  it('reads the history by REST and goes on over the socket', async () => {
    const world = new World(10);
    world.stored = 25;
    world.up();
    await world.settle();
    world.follow.receive(range(26, 30).map(line));
    world.stored = 30;
    expect(world.got).toEqual(range(1, 30));
    expect(world.pages).toEqual([0, 10, 20]);
    expect(world.state?.phase).toBe('live');
  });

  it('holds early lines back until what is missing was read', async () => {
    const world = new World(100);
    world.up();
    await world.settle();
    world.stored = 9;
    world.follow.receive([line(5), line(6)]);
    expect(world.got).toEqual([]);
    await world.settle();
    expect(world.got).toEqual(range(1, 9));
  });

  it('reads what an outage cost, without any line over the socket', async () => {
    const world = new World(1_000);
    world.stored = 3;
    world.up();
    await world.settle();
    world.down();
    world.stored = 4_000;
    await world.settle();
    expect(world.got).toHaveLength(3);
    world.up();
    await world.settle();
    expect(world.got).toEqual(range(1, 4_000));
    expect(world.state?.phase).toBe('live');
  });

  it('learns of lines from the head alone, and ends with the run', async () => {
    const world = new World(100);
    world.up();
    await world.settle();
    world.stored = 7;
    world.ended = true;
    world.follow.head(7, true);
    await world.settle();
    expect(world.got).toEqual(range(1, 7));
    expect(world.state?.phase).toBe('ended');
  });

  it('waits rather than spins when a head is announced that can’t be read yet', async () => {
    const world = new World(100);
    world.up();
    await world.settle();
    world.follow.head(5, false);
    await world.turn(20);
    expect(world.pages.length).toBeLessThanOrEqual(12);
    expect(world.state?.phase).toBe('failed');
    world.stored = 5;
    await world.settle();
    expect(world.got).toEqual(range(1, 5));
    expect(world.state?.phase).toBe('live');
  });

  it('joins in the end, even when a page fails while it waits to try again', async () => {
    const world = new World(100);
    world.up();
    await world.settle();
    world.down();
    world.isInRoom = false;
    world.isRoomClosed = true;
    world.up();
    await world.turn();
    world.follow.head(5, false);
    await world.turn(2);
    expect(world.pages.length).toBeGreaterThan(0);
    world.isRoomClosed = false;
    world.stored = 5;
    await world.settle();
    expect(world.isInRoom).toBe(true);
    expect(world.got).toEqual(range(1, 5));
  });

  it('delivers nothing more once it is stopped', async () => {
    const world = new World(100);
    world.stored = 5;
    world.up();
    world.follow.stop();
    await world.settle();
    world.follow.receive([line(1)]);
    expect(world.got).toEqual([]);
  });

  it('ends with exactly the lines, in order and once, whatever is lost, repeated, reordered or cut off', async () => {
    const step = fc.record({
      lines: fc.integer({ min: 1, max: 900 }),
      fate: fc.constantFrom('arrive', 'lost', 'twice', 'reversed', 'every-other', 'down', 'up', 'restart'),
      answers: fc.integer({ min: 0, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 30, maxLength: 60 }),
        fc.integer({ min: 50, max: 5_000 }),
        async (steps, pageLines) => {
          const world = new World(pageLines);
          world.up();
          for (const { lines, fate, answers } of [...steps, { lines: TOTAL, fate: 'lost' as const, answers: 1 }]) {
            const batch = range(world.stored + 1, Math.min(TOTAL, world.stored + lines)).map(line);
            world.stored += batch.length;
            if (fate === 'down') world.down();
            else if (fate === 'up' && !world.isUp) world.up();
            else if (fate === 'restart') {
              world.down();
              world.up();
            } else if (world.isUp) deliver(world, batch, fate);
            await world.turn(answers);
          }
          world.ended = true;
          world.down();
          world.up();
          await world.settle();
          expect(world.stored).toBe(TOTAL);
          expect(world.got.length).toBe(TOTAL);
          expect(world.got.every((sequence, index) => sequence === index + 1)).toBe(true);
          expect(world.state?.phase).toBe('ended');
        },
      ),
      { numRuns: 40 },
    );
  }, 60_000);
});

function deliver(world: World, batch: LogLine[], fate: string): void {
  if (fate === 'arrive' || fate === 'twice') world.follow.receive(batch);
  if (fate === 'twice') world.follow.receive(batch);
  if (fate === 'reversed') for (const one of batch.toReversed()) world.follow.receive([one]);
  if (fate === 'every-other') world.follow.receive(batch.filter(({ sequence }) => sequence % 2 === 0));
}
