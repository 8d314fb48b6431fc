import { StreamWatch } from './stream-watch.js';

const found = { created: '2026-11-22T01:00:00Z', lastSequence: 7 };
let watch: StreamWatch;

/** As many looks and failed publishes by turns. */
function failAndLook(times: number, look = found): boolean {
  let dead = false;
  for (let each = 0; each < times; each += 1) {
    watch.refused();
    dead ||= watch.isDead(look);
  }
  return dead;
}

beforeEach(() => (watch = new StreamWatch()));

describe('a stream that takes nothing', () => {
  it('is dead after five looks that found it untouched', () => {
    expect(watch.failing).toBe(false);
    expect(failAndLook(4)).toBe(false);
    expect(watch.failing).toBe(true);
    expect(failAndLook(1)).toBe(true);
  });

  it('is looked at from the beginning once it was made anew', () => {
    expect(failAndLook(5)).toBe(true);
    expect(failAndLook(4, { ...found, created: '2026-11-22T01:01:00Z' })).toBe(false);
  });

  it('is alive when somebody else gets a message in', () => {
    failAndLook(4);
    expect(failAndLook(4, { ...found, lastSequence: 8 })).toBe(false);
  });

  it('is alive when this process gets a message in', () => {
    failAndLook(4);
    watch.accepted();
    expect(watch.failing).toBe(false);
    expect(failAndLook(4)).toBe(false);
  });

  it('is away, not dead, when the server says nothing in between', () => {
    failAndLook(4);
    watch.unanswered();
    expect(failAndLook(4)).toBe(false);
  });

  it('is not judged by the failures of before the first look', () => {
    // What was under way fails all at once when a process or a machine wakes up.
    for (let each = 0; each < 20; each += 1) watch.refused();
    for (let each = 0; each < 10; each += 1) expect(watch.isDead(found)).toBe(false);
  });
});
