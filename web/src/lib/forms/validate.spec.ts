import { CreateTask } from '@capstan/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApiProblem } from '#lib/api/problem.ts';
import { faultsOf, joinCommand, messageFor, onlySet, refusedFields, splitCommand } from './validate.ts';

describe('forms', () => {
  it('tells faults by field, as the contract finds them', () => {
    const faults = faultsOf(CreateTask, { repositoryId: 'x', title: '', priority: -1, limits: { maxTurns: 0 } });
    expect(Object.keys(faults).sort()).toEqual(['limits.maxTurns', 'priority', 'repositoryId', 'title']);
    expect(messageFor(faults, 'limits')).toBe(faults['limits.maxTurns']);
  });

  it('puts a refusal at the fields that it names, and only at those that are shown', () => {
    const refusal = new ApiProblem({
      type: 'about:blank',
      title: 'Refused',
      status: 422,
      code: 'token_refused',
      detail: 'The forge refused the token.',
      field: 'body.token',
      issues: [{ field: 'agent.argv', message: 'empty' }],
      requestId: 'r',
    });
    expect(refusedFields(refusal, ['token', 'agent'])).toEqual({
      token: 'The forge refused the token.',
      'agent.argv': 'empty',
    });
    expect(refusedFields(refusal, ['title'])).toEqual({});
    expect(refusedFields(new Error('x'), ['title'])).toEqual({});
  });

  it('splits a command line as a shell would, and back', () => {
    expect(splitCommand(`claude -p "two words" 'it''s' ''`)).toEqual(['claude', '-p', 'two words', 'its', '']);
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z "\-/.=]{0,12}$/)), (argv) => {
        expect(splitCommand(joinCommand(argv))).toEqual(argv);
      }),
    );
  });

  it('sends no empty objects', () => {
    expect(onlySet({ a: undefined })).toBeUndefined();
    expect(onlySet({ a: 1, b: undefined })).toEqual({ a: 1 });
  });
});
