import { UserError } from '@capstan/domain';
import { runFinished, runStart, taskCreated } from '@capstan/events';
import { assertHandlers } from './boot-check.js';
import { isAtLeast } from './version.js';

describe('assertHandlers', () => {
  const found = (event: typeof taskCreated | typeof runStart | typeof runFinished, name: string) => ({ event, name });

  it('accepts exactly one handler for each declared event', () => {
    expect(() =>
      assertHandlers('scheduler', [taskCreated, runFinished], [found(runFinished, 'A.b'), found(taskCreated, 'A.a')]),
    ).not.toThrow();
  });

  it('names all faults at once', () => {
    expect.assertions(5);
    try {
      assertHandlers(
        'scheduler',
        [taskCreated, runFinished],
        [found(taskCreated, 'A.a'), found(taskCreated, 'B.a'), found(runStart, 'C.c')],
      );
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      expect(error).toMatchObject({ code: 'handlers_mismatch' });
      const { message } = error as Error;
      expect(message).toContain('nothing handles run.finished.v1');
      expect(message).toContain('task.created.v1 is handled twice: A.a, B.a');
      expect(message).toContain("C.c handles run.start.v1, which the service doesn't declare");
    }
  });
});

describe('isAtLeast', () => {
  it.each([
    ['2.10.0', '2.10.0', true],
    ['2.9.25', '2.10.0', false],
    ['2.15.1', '2.10.0', true],
    ['3.0.0', '2.10.0', true],
    ['2.10.0-RC.2', '2.10.0', true],
    ['v2.11', '2.10.0', true],
    ['unknown', '2.10.0', false],
    ['', '2.10.0', false],
  ])('%s against %s: %s', (version, floor, expected) => {
    expect(isAtLeast(version, floor)).toBe(expected);
  });
});
