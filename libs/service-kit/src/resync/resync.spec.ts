import { eventually } from '@capstan/test-support';
import { openLogger } from '../telemetry/logger.js';
import { coalesce } from './coalesce.js';
import { Loops } from './loops.js';
import { everyLoop, resync, type Found, type Loop } from './resync.js';

const lines: string[] = [];
const logger = openLogger({ format: 'json', level: 'debug', write: (line) => lines.push(line) });
const loops: Loop[] = [];
const keep = (loop: Loop): Loop => {
  loops.push(loop);
  return loop;
};

/** A promise that is settled from outside. */
function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open };
}

beforeEach(() => void lines.splice(0));
afterEach(async () => {
  await Promise.all(loops.splice(0).map((loop) => loop.close()));
});

describe('coalesce', () => {
  it('runs one pass at a time, and one more for any number of calls during it', async () => {
    const gates = [gate(), gate()];
    let passes = 0;
    let atOnce = 0;
    const wake = coalesce(async () => {
      atOnce += 1;
      expect(atOnce).toBe(1);
      const mine = gates[passes];
      passes += 1;
      await mine?.passed;
      atOnce -= 1;
    });
    const first = wake();
    const later = [wake(), wake(), wake()];
    gates[0]?.open();
    await first;
    await eventually(() => passes === 2);
    gates[1]?.open();
    await Promise.all(later);
    expect(passes).toBe(2);
    await wake();
    expect(passes).toBe(3);
  });

  it('a call resolves only after a pass that began after it', async () => {
    const state = { written: 0, read: -1 };
    const block = gate();
    let first = true;
    const wake = coalesce(async () => {
      const snapshot = state.written;
      if (first) {
        first = false;
        await block.passed;
      }
      state.read = snapshot;
    });
    const early = wake();
    state.written = 1;
    const late = wake();
    block.open();
    await early;
    await late;
    expect(state.read).toBe(1);
  });

  it('goes on after a pass that failed', async () => {
    let passes = 0;
    const wake = coalesce(async () => {
      passes += 1;
      if (passes === 1) throw new Error('first');
    });
    const [first, second] = await Promise.allSettled([wake(), wake()]);
    expect([first?.status, second?.status]).toEqual(['rejected', 'fulfilled']);
  });
});

describe('resync', () => {
  it('handles due rows at once and again, at most as many as allowed, and survives a bad row', async () => {
    const asked: number[] = [];
    const handled: number[] = [];
    keep(
      resync({
        name: 'place',
        logger,
        everyMs: 20,
        limit: 7,
        due: async (limit) => {
          asked.push(limit);
          return [1, 2, 3];
        },
        handle: async (row) => {
          if (row === 2) throw new Error('bad row');
          handled.push(row);
        },
      }),
    );
    await eventually(() => handled.length >= 6);
    expect(new Set(asked)).toEqual(new Set([7]));
    expect(handled.slice(0, 4)).toEqual([1, 3, 1, 3]);
    expect(lines.some((line) => line.includes('bad row'))).toBe(true);
  });

  it('never runs two passes at once, however often it is woken', async () => {
    let atOnce = 0;
    let most = 0;
    let passes = 0;
    const loop = keep(
      everyLoop({
        name: 'x',
        logger,
        everyMs: 1,
        pass: async () => {
          atOnce += 1;
          most = Math.max(most, atOnce);
          await new Promise((resolve) => setImmediate(resolve));
          atOnce -= 1;
          passes += 1;
        },
      }),
    );
    for (let index = 0; index < 50; index += 1) void loop.wake();
    await eventually(() => passes > 5);
    expect(most).toBe(1);
  });

  it('backs off while it can not even read, says so once, and says when it works again', async () => {
    let broken = true;
    let tries = 0;
    const loop = keep(
      everyLoop({
        name: 'sweep',
        logger,
        everyMs: 5,
        pass: async () => {
          tries += 1;
          if (broken) throw new Error('Postgres is away');
        },
      }),
    );
    await eventually(() => tries >= 4);
    broken = false;
    await loop.wake();
    const warnings = lines.filter((line) => line.includes('"warn"'));
    expect(warnings).toHaveLength(1);
    expect(lines.some((line) => line.includes('sweep works again'))).toBe(true);
  });

  it('looks less often while there is nothing, and as often as ever once it finds something or is woken', async () => {
    let found: Found = 'nothing';
    const at: number[] = [];
    const pauses = () => at.slice(1).map((time, index) => time - at[index]!);
    const loop = keep(
      everyLoop({
        name: 'x',
        logger,
        everyMs: 8,
        quietMs: 256,
        pass: async () => {
          at.push(performance.now());
          return found;
        },
      }),
    );
    await eventually(() => pauses().some((pause) => pause > 150), 5_000);
    found = undefined;
    await loop.wake();
    const before = at.length;
    await eventually(() => at.length > before + 5);
    expect(Math.min(...pauses().slice(before))).toBeLessThan(100);
  });

  it('looks sooner than its pace when a pass says so, and never later', async () => {
    const answers: Found[] = [{ withinMs: 20 }, { withinMs: 60_000 }];
    const at: number[] = [];
    keep(everyLoop({ name: 'x', logger, everyMs: 400, pass: async () => answers[at.push(performance.now()) - 1] }));
    await eventually(() => at.length > 2, 5_000);
    // Its own pace, jittered, is 300 ms at least.
    expect(at[1]! - at[0]!).toBeLessThan(300);
    expect(at[2]! - at[1]!).toBeGreaterThanOrEqual(295);
  });

  it('ends with its service: the present pass ends, none begins', async () => {
    const block = gate();
    let passes = 0;
    const all = new Loops(logger);
    all.every({
      name: 'x',
      everyMs: 1,
      pass: async () => {
        passes += 1;
        await block.passed;
      },
    });
    await eventually(() => passes === 1);
    let closed = false;
    const closing = all.close().then(() => (closed = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toBe(false);
    block.open();
    await closing;
    expect(passes).toBe(1);
  });
});
