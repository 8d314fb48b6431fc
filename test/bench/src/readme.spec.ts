import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@capstan/test-support';
import { measuredSection, replaceMeasured } from './readme.js';
import { judgeAim } from './report.js';
import { spread } from './statistics.js';
import type { Machine } from './machine.js';

const machine = (fsyncMs = 0.3): Machine => ({
  cpu: 'Some CPU',
  cores: 2,
  memoryGb: 24,
  kernel: '6.18',
  load1: 0.1,
  fsyncMs: spread([fsyncMs]),
  versions: { node: '24.21.0', postgres: '18.4' },
});

describe('replaceMeasured', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');

  it('replaces what stands between the markers of README.md and nothing else, however often', () => {
    const once = replaceMeasured(readme, 'New figures');
    expect(once).toContain('\n\nNew figures\n\n<!-- measured: to here -->');
    expect(replaceMeasured(once, 'New figures')).toBe(once);
    const [before, after] = [readme.indexOf('<!-- measured:'), readme.lastIndexOf('<!-- measured:')];
    expect(once.startsWith(readme.slice(0, before))).toBe(true);
    expect(once.endsWith(readme.slice(after))).toBe(true);
  });

  it.each([
    ['without markers', ''],
    [
      'with them in the wrong order',
      '<!-- measured: to here -->\n<!-- measured: `npm run bench -- --readme` writes from here -->',
    ],
    ['with one of them twice', `${readme}<!-- measured: to here -->`],
  ])('refuses a text %s', (_, text) => expect(() => replaceMeasured(text, 'x')).toThrow(RangeError));
});

describe('measuredSection', () => {
  it('is a table in the order of the aims, with the machine, and marks what is missed', () => {
    const section = measuredSection(
      machine(),
      [
        { key: 'log.one', value: 39_123.4, made: '3 rounds' },
        { key: 'start.small.p50', value: 161.27, made: 'n = 30' },
        { key: 'idle.processor', value: 1.5, made: '30 s' },
        { key: 'reaction.p50', value: 80, made: 'held against nothing: not in the table' },
      ],
      '2026-11-21',
    );
    const rows = section.split('\n').filter((line) => line.startsWith('| '));
    const cells = rows.map((row) =>
      row
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, -1),
    );
    expect(cells.slice(2)).toEqual([
      ['POST → first instruction, small repository, p50', '**161 ms**', '≤ 120', '208'],
      ['processor of the whole stack, idle', '1.5 % of a core', '≤ 2', '**1.1**'],
      ['lines of one agent into Postgres, slowest round', '39,123 lines/s', '≥ 20,000', '1,431'],
    ]);
    expect(section).toContain('2 cores (Some CPU), 24 GB, kernel 6.18, Node 24.21.0, Postgres 18.4 with fsync on');
    expect(section).toContain('8 KB: p50 0.30 ms), on 2026-11-21');
    expect(section).toContain('Bold: an aim that is missed');
  });
});

describe('judgeAim', () => {
  it.each([
    ['start.small.p50', 120, 0.3, 'reached'],
    ['start.small.p50', 120.1, 9, 'missed'],
    ['log.one', 20_000, 0.3, 'reached'],
    ['log.one', 19_999, 0.3, 'missed'],
    ['start.small.p95', 9_999, 0.3, 'not held'],
    ['dispatch.slow.p50', 11, 0.5, 'missed'],
    ['dispatch.slow.p50', 11, 0.6, 'not held'],
    ['takeover.false', 0, 0.3, 'reached'],
    ['takeover.false', 1, 0.3, 'missed'],
  ] as const)('%s of %d with an fsync of %d ms is %s', (key, value, fsync, judgement) => {
    expect(judgeAim({ key, value, made: '' }, fsync)).toBe(judgement);
  });
});
