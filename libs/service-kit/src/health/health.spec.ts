import { TransientError } from '@capstan/domain';
import { Health } from './health.js';

describe('Health', () => {
  it('names the symptom of a failing check, and what helps', async () => {
    const health = new Health();
    health.add('start', () => ({ code: 'starting', reason: 'it is being started' }));
    health.add('postgres', () => Promise.reject(new TransientError('gone', { code: 'database_unavailable' })));
    health.add('luck', () => Promise.reject(new Error('none')));
    expect(await health.report()).toEqual({
      status: 'failing',
      checks: [
        {
          name: 'start',
          status: 'failing',
          code: 'starting',
          reason: 'it is being started',
          remedy: expect.stringContaining('Wait') as unknown,
        },
        {
          name: 'postgres',
          status: 'failing',
          code: 'database_unavailable',
          reason: 'gone',
          remedy: expect.stringContaining('Nothing is lost') as unknown,
        },
        { name: 'luck', status: 'failing', reason: 'none' },
      ],
    });
  });

  it('takes a check that is late for what it said last, for a while', async () => {
    const health = new Health();
    health.add('postgres', () => new Promise(() => undefined), { fine: true });
    const { status, checks } = await health.report();
    expect(status).toBe('ok');
    expect(checks).toMatchObject([{ name: 'postgres', reason: expect.stringContaining('no answer') as unknown }]);
  });

  it('gives up a check that hangs', async () => {
    const health = new Health();
    health.add('forever', () => new Promise(() => undefined), { readiness: false });
    const { status, checks } = await health.report();
    expect(status).toBe('degraded');
    expect(checks).toMatchObject([{ code: 'check_timeout', remedy: expect.any(String) as unknown }]);
  });
});
