import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compare, parseKept, renderCompared, TOLERANCE, withRatios, writeKept } from './regression.js';

const EMPTY = { full: {}, quick: {} };

describe('the regression file', () => {
  it('is one that this program reads, with the ratios of this program', () => {
    const text = readFileSync(join(import.meta.dirname, '../regression.json'), 'utf8');
    expect(writeKept(parseKept(text))).toBe(text);
  });

  it.each([
    ['[]', 'no object "full"'],
    ['null', 'no object "full"'],
    ['{"full":{}}', 'no object "quick"'],
    ['{"full":{"startPerhaps":1},"quick":{}}', 'full has no ratio "startPerhaps"'],
    ['{"full":{},"quick":{"takeover":"1"}}', 'quick.takeover must be a positive number, not "1"'],
    ['{"full":{"takeover":0},"quick":{}}', 'full.takeover must be a positive number, not 0'],
    ['{"full":{"toString":1},"quick":{}}', 'full has no ratio "toString"'],
  ])('refuses %s', (text, reason) => expect(() => parseKept(text)).toThrow(reason));

  it('keeps three digits, in the order of the table, and leaves what was not measured', () => {
    const before = { full: { takeover: 0.9, 'dispatch.slow': 5 }, quick: { takeover: 1 } };
    const after = withRatios(before, 'full', [
      { key: 'dispatch.slow', ours: 12.3456, yardstick: 2 },
      { key: 'start.small', ours: 300, yardstick: 100 },
    ]);
    expect(after).toEqual({ full: { 'start.small': 3, 'dispatch.slow': 6.17, takeover: 0.9 }, quick: { takeover: 1 } });
    expect(Object.keys(after.full)).toEqual(['start.small', 'dispatch.slow', 'takeover']);
    expect(parseKept(writeKept(after))).toEqual(after);
  });
});

describe('compare', () => {
  const lower = (ours: number) => compare([{ key: 'dispatch.slow', ours, yardstick: 10 }], { 'dispatch.slow': 2 })[0]!;
  const higher = (ours: number) => compare([{ key: 'log.one', ours, yardstick: 10 }], { 'log.one': 2 })[0]!;

  it.each([
    ['lower is better: the same', lower(20), 0, false],
    ['… a quarter more', lower(25), TOLERANCE, false],
    ['… more than a quarter more', lower(25.1), 0.255, true],
    ['… half', lower(10), -0.5, false],
    ['higher is better: the same', higher(20), 0, false],
    ['… a quarter worse', higher(16), TOLERANCE, false],
    ['… more than a quarter worse', higher(15), 1 / 3, true],
    ['… twice as much', higher(40), -0.5, false],
  ])('%s', (_, compared, worseBy, isWorse) => {
    expect(compared.worseBy).toBeCloseTo(worseBy);
    expect(compared.isWorse).toBe(isWorse);
  });

  it('is silent about what is not kept yet', () => {
    expect(compare([{ key: 'takeover', ours: 3, yardstick: 1 }], {})).toEqual([
      { key: 'takeover', now: 3, kept: null, worseBy: 0, isWorse: false },
    ]);
  });
});

describe('what is said', () => {
  const ratios = [
    { key: 'takeover' as const, ours: 3, yardstick: 1 },
    { key: 'log.one' as const, ours: 1, yardstick: 1 },
  ];

  it('warns in one line, with both values', () => {
    const said = renderCompared(compare(ratios, { takeover: 2, 'log.one': 1 }));
    expect(said.split('\n').at(-1)).toBe('Warning: worse by more than a quarter than what is kept: takeover 2 → 3');
    expect(said).toContain('WORSE takeover: 3, kept 2, 50 % worse');
  });

  it('says that all is well, and of how many', () => {
    expect(renderCompared(compare(ratios, { takeover: 3, 'log.one': 0.9 }))).toMatch(
      /\nNo ratio of 2 is worse by more than a quarter\.$/,
    );
    expect(renderCompared(compare(ratios, { takeover: 3 }))).toMatch(/No ratio of 1 .*; 1 are not kept yet\.$/);
  });

  it('asks for a first run where nothing is kept', () => {
    expect(renderCompared(compare(ratios, EMPTY.full))).toMatch(/No ratio is kept yet .*--update/);
  });
});
