import { fences, type RunChange } from './laws/fences.js';

const change = (over: Partial<RunChange>): RunChange => ({
  runId: 'r',
  seq: 1,
  owner: ['a', 'a'],
  epoch: [1, 1],
  state: ['running', 'running'],
  journalLine: [10, 12],
  logSequence: [11, 13],
  ...over,
});

describe('fences', () => {
  it.each<[string, Partial<RunChange>]>([
    ['an owner that writes on', {}],
    ['a takeover in a new epoch', { owner: ['a', 'b'], epoch: [1, 2] }],
    ['a lease of what nobody had', { owner: [null, 'b'], epoch: [0, 1], state: ['placed', 'leased'] }],
    ['an end', { owner: ['a', null], state: ['running', 'finished'] }],
  ])('%s is right', (_what, over) => {
    expect(fences([change(over)])).toEqual([]);
  });

  it.each<[string, Partial<RunChange>, RegExp]>([
    ['a position that goes back', { journalLine: [12, 10] }, /read up to line 12/],
    ['a log that gets shorter', { logSequence: [13, 11] }, /had 13 lines/],
    ['a takeover without an epoch', { owner: ['a', 'b'] }, /from a to b in the same epoch/],
    ['an epoch that falls', { epoch: [3, 2] }, /fell from epoch 3 to 2/],
    ['a run that comes back', { state: ['finished', 'running'] }, /was finished and is running/],
  ])('%s is seen', (_what, over, fault) => {
    expect(fences([change(over)]).map(({ what }) => what)).toEqual([expect.stringMatching(fault)]);
  });
});
