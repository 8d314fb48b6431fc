import { Bug, TransientError, UserError } from '@capstan/domain';
import { MAX_DELIVERIES } from '@capstan/events';
import { outcomeToAck, REDELIVERY_BACKOFF, type Ack, type HandlerResult } from './outcome.js';

const ok = (outcome?: Extract<HandlerResult, { ok: true }>['outcome']): HandlerResult => ({ ok: true, outcome });
const failed = (error: unknown): HandlerResult => ({ ok: false, error });
const user = new UserError('no such task', { code: 'task_not_found' });
const hinted = new TransientError('slow down', { code: 'rate_limited', retryAfterMs: 7_000 });
const transient = new TransientError('no answer', { code: 'database_unavailable' });

describe('outcomeToAck', () => {
  const cases: [string, HandlerResult, number, Ack][] = [
    ['nothing returned', ok(), 1, { kind: 'ack' }],
    ['done', ok({ kind: 'done' }), 1, { kind: 'ack' }],
    ['done at the last delivery', ok({ kind: 'done' }), MAX_DELIVERIES, { kind: 'ack' }],
    ['later', ok({ kind: 'later', delayMs: 40 }), 1, { kind: 'nak', delayMs: 40 }],
    ['later with a negative delay', ok({ kind: 'later', delayMs: -1 }), 1, { kind: 'nak', delayMs: 0 }],
    ['drop', ok({ kind: 'drop', reason: 'gone' }), 1, { kind: 'term', reason: 'gone' }],
    ['UserError', failed(user), 1, { kind: 'term', reason: 'no such task' }],
    ['TransientError with a hint', failed(hinted), 1, { kind: 'nak', delayMs: 7_000 }],
    ['TransientError', failed(transient), 1, { kind: 'nak', delayMs: 125 }],
    ['TransientError, third delivery', failed(transient), 3, { kind: 'nak', delayMs: 500 }],
    ['Bug', failed(new Bug('oops')), 1, { kind: 'nak', delayMs: 125 }],
    ['any other error', failed(new TypeError('x is undefined')), 2, { kind: 'nak', delayMs: 250 }],
    ['something thrown that is no error', failed('text'), 1, { kind: 'nak', delayMs: 125 }],
    // One delivery more: that one parks the row without calling the handler.
    ['Bug at the last delivery', failed(new Bug('oops')), MAX_DELIVERIES, { kind: 'nak', delayMs: 7_500 }],
  ];
  it.each(cases)('%s', (_name, result, delivery, expected) => {
    expect(outcomeToAck(result, delivery, 0)).toEqual(expected);
  });

  it.each([
    ['later', ok({ kind: 'later', delayMs: 40 })],
    ['TransientError', failed(transient)],
  ])('%s at the last delivery is left to the resync and parks nothing', (_name, result) => {
    expect(outcomeToAck(result, MAX_DELIVERIES, 0)).toMatchObject({
      kind: 'term',
      reason: expect.stringContaining('left to the resync') as unknown,
    });
  });

  it('never waits longer than the back-off allows', () => {
    for (let delivery = 1; delivery < 100; delivery += 1) {
      const ack = outcomeToAck(failed(new Bug('oops')), delivery, 0.999);
      expect(ack.kind === 'nak' && ack.delayMs <= REDELIVERY_BACKOFF.maxMs).toBe(true);
    }
  });
});
