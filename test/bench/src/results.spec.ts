import { mergeResults, parseResults, type Results } from './results.js';
import { spread } from './statistics.js';

const results = (over: Partial<Results> = {}, cores = 2): Results => ({
  quick: false,
  machine: { cpu: 'CPU', cores, memoryGb: 1, kernel: '6', load1: 0, fsyncMs: spread([0.3]), versions: {} },
  reports: [],
  ...over,
});
const report = (name: 'start' | 'log', value: number) => ({
  name,
  bench: name,
  how: [],
  tables: [],
  figures: [{ key: 'start.small.p50' as const, value, made: '' }],
  ratios: [],
  faults: [],
});

describe('parseResults', () => {
  it('reads what --json prints', () => {
    const printed = results({ reports: [report('start', 1)] });
    expect(parseResults(JSON.stringify({ ok: true, ...printed }), 'a.json')).toEqual(printed);
  });

  it.each(['null', '{}', '{"quick":true,"machine":{}}'])('refuses %s', (text) =>
    expect(() => parseResults(text, 'a.json')).toThrow('a.json is not what'),
  );

  it('refuses a figure that is no longer measured', () => {
    const text = JSON.stringify(results({ reports: [report('start', 1)] })).replace('start.small.p50', 'start.p50');
    expect(() => parseResults(text, 'a.json')).toThrow('a.json has the figure "start.p50"');
  });
});

describe('mergeResults', () => {
  it('takes the last report of each bench', () => {
    const merged = mergeResults([
      results({ reports: [report('start', 1), report('log', 2)] }),
      results({ reports: [report('start', 3)] }),
    ]);
    expect(merged.reports.map(({ name, figures }) => [name, figures[0]!.value])).toEqual([
      ['start', 3],
      ['log', 2],
    ]);
  });

  it('refuses what does not belong together', () => {
    expect(() => mergeResults([results(), results({ quick: true })])).toThrow('quick and full');
    expect(() => mergeResults([results(), results({}, 8)])).toThrow('several machines');
    expect(() => mergeResults([])).toThrow(TypeError);
  });
});
