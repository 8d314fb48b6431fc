import { BENCHES, benchConfig } from './bench.config.js';

describe('benchConfig', () => {
  it('runs everything, and starves the processor for ten minutes', () => {
    expect(benchConfig([])).toMatchObject({ benches: [...BENCHES], starveMinutes: 10, quick: false, from: [] });
  });

  it('leaves out of the quick form what is long, unless it is named', () => {
    expect(benchConfig(['--quick'])).toMatchObject({ quick: true, starveMinutes: 0 });
    expect(benchConfig(['--quick']).benches).not.toContain('burst');
    expect(benchConfig(['--quick', 'burst']).benches).toEqual(['burst']);
    expect(benchConfig(['--quick', '--minutes', '0.5']).starveMinutes).toBe(0.5);
  });

  it('runs benches in its own order, whatever the order on the command line', () => {
    expect(benchConfig(['scale', 'start']).benches).toEqual(['start', 'scale']);
  });

  it.each([
    [['strat'], 'unsupported bench "strat"'],
    [['--minutes', 'ten'], 'not "ten"'],
    [['--minutes', ''], 'not ""'],
    [['--minutes', '-1'], 'minutes'],
    [['--from', 'a.json', 'start'], '--from'],
    [['--from', 'a.json', '--quick'], '--from'],
    [['--readme', '--quick'], '--readme'],
    [['--jsno'], 'jsno'],
  ])('refuses %j', (argv, reason) => expect(() => benchConfig(argv)).toThrow(reason));
});
