import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { TestGateway } from '../gateway.fixture.js';

describe('the dashboard', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await TestGateway.start();
  });
  afterAll(() => gateway.close());

  it('is served at every address that is not a machine’s', async () => {
    for (const path of ['/', '/set-up', '/tasks/0190c2f4', '/sign-in?x=1']) {
      const page = await gateway.ask('GET', path);
      expect([path, page.status, page.headers.get('content-type')]).toEqual([path, 200, 'text/html; charset=utf-8']);
      expect(page.text).toContain('go()');
      expect(page.headers.get('cache-control')).toBe('no-cache');
    }
    for (const path of ['/_app/immutable/missing.js', '/api/missing', '/hooks/../x'])
      expect([path, (await gateway.ask('GET', path)).text.includes('go()')]).toEqual([path, path === '/hooks/../x']);
    expect((await gateway.ask('POST', '/tasks', { raw: '{}' })).status).toBe(404);
  });

  it('keeps its hashed files for ever', async () => {
    const file = await gateway.ask('GET', '/_app/immutable/a.js');
    expect([file.status, file.headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable']);
    expect(file.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('may run its own scripts and nothing else', async () => {
    const policy = (await gateway.ask('GET', '/')).headers.get('content-security-policy') ?? '';
    const hash = createHash('sha256').update('go()').digest('base64');
    expect(policy).toContain(`script-src 'self' 'sha256-${hash}';`);
    expect(policy).toMatch(/default-src 'self'.*frame-ancestors 'none'/);
    expect(policy).not.toMatch(/script-src[^;]*unsafe/);
  });

  it('answers under its own names only', async () => {
    const status = (host: string, path = '/') =>
      new Promise<number | undefined>((resolve, reject) => {
        httpRequest({ port: gateway.port, path, headers: { host } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .once('error', reject)
          .end();
      });
    expect(await status(`127.0.0.1:${gateway.port}`)).toBe(200);
    expect(await status('localhost')).toBe(200);
    for (const host of ['evil.example', '127.0.0.1.evil.example', '10.0.0.1', 'localhost.'])
      expect([host, await status(host)]).toEqual([host, 403]);
    expect(await status('probe.internal', '/healthz')).toBe(200);
  });

  it('shows health, and no more, to anybody', async () => {
    expect((await gateway.ask('GET', '/healthz')).body).toEqual({ status: 'ok' });
    // These are on the internal port: a probe that asks here must not take the page's 200 for an answer.
    for (const path of ['/metrics', '/readyz', '/livez'])
      expect([path, (await gateway.ask('GET', path)).status]).toEqual([path, 404]);
  });
});
