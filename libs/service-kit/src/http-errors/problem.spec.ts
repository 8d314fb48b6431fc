import { Problem } from '@capstan/api';
import { Bug, TransientError, UserError } from '@capstan/domain';
import { NotFoundException, PayloadTooLargeException } from '@nestjs/common';
import { z } from 'zod';
import { problemOf } from './problem.js';

const zodError = z
  .strictObject({ limits: z.object({ maxCostUsd: z.number() }) })
  .safeParse({ limits: { maxCostUsd: 'much' }, colour: 'red' }).error;
const connectionLost = Object.assign(new Error('connect ECONNREFUSED 10.1.2.3:5432'), { code: 'ECONNREFUSED' });
const parserError = (status: number, type: string) =>
  Object.assign(new Error('Unexpected token'), { status, type, expose: true });

describe('problemOf', () => {
  it.each([
    ['UserError', new UserError('no such task', { code: 'task_not_found', status: 404 }), 404, 'task_not_found'],
    ['UserError without a status', new UserError('no', { code: 'no' }), 400, 'no'],
    ['TransientError', new TransientError('no answer', { code: 'forge_away' }), 503, 'forge_away'],
    ['Postgres away', connectionLost, 503, 'database_unavailable'],
    ['ZodError', zodError, 422, 'invalid_input'],
    ['malformed JSON', parserError(400, 'entity.parse.failed'), 400, 'malformed_json'],
    ['too large', parserError(413, 'entity.too.large'), 413, 'too_large'],
    ['charset', parserError(415, 'charset.unsupported'), 415, 'unsupported_media_type'],
    ["Nest's 404", new NotFoundException('Cannot GET /x'), 404, 'not_found'],
    ["Nest's 413", new PayloadTooLargeException(), 413, 'too_large'],
    ['Bug', new Bug('select * from secret'), 500, 'bug'],
    ['TypeError', new TypeError('x.y is not a function'), 500, 'bug'],
    ['no error at all', 'text', 500, 'bug'],
  ])('%s', (_name, error, status, code) => {
    const problem = problemOf(error, 'req-1');
    expect(problem).toMatchObject({ status, code, requestId: 'req-1' });
    expect(Problem.parse(problem)).toEqual(problem);
  });

  it('names fields and remedy of a UserError', () => {
    const error = new UserError('too much', {
      code: 'limit',
      status: 422,
      field: 'limits.maxCostUsd',
      remedy: 'Ask for less.',
      issues: [{ field: 'title', message: 'empty' }],
    });
    expect(problemOf(error, 'r')).toMatchObject({
      field: 'limits.maxCostUsd',
      remedy: 'Ask for less.',
      issues: [{ field: 'title', message: 'empty' }],
    });
  });

  it('names each fault of an input, unknown fields too', () => {
    expect(
      problemOf(zodError, 'r')
        .issues?.map(({ field }) => field)
        .sort(),
    ).toEqual(['colour', 'limits.maxCostUsd']);
  });

  it('says when to come back', () => {
    const error = new TransientError('rate limited', { code: 'rate_limited', retryAfterMs: 30_000 });
    expect(problemOf(error, 'r').retryAfterMs).toBe(30_000);
  });

  it.each([
    ['a bug', new Bug('select * from secret where x')],
    ['an outage', connectionLost],
    ['a driver', Object.assign(new Error('duplicate key (email)=(a@b.c)'), { code: '23505', parameters: ['c4n4ry'] })],
  ])('tells a client nothing of the inside of %s', (_name, error) => {
    expect(JSON.stringify(problemOf(error, 'r'))).not.toMatch(/select|10\.1\.2\.3|a@b\.c|c4n4ry|stack/);
  });
});
