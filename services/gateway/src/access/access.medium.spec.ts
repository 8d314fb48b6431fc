import { CLI_TOKEN, SET_UP_TOKEN, TestGateway } from '../gateway.fixture.js';

const FIRST = {
  token: SET_UP_TOKEN,
  name: 'Ada',
  email: 'Ada@example.org',
  password: 'correct horse battery',
  workspaceName: 'Engines',
};

describe('access', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await TestGateway.start();
  });
  afterAll(() => gateway.close());

  const cookieOf = (headers: Headers) => headers.get('set-cookie') ?? '';

  it('is set up once, by whoever holds the token', async () => {
    expect((await gateway.ask('GET', '/api/set-up')).body).toEqual({ needed: true });
    const early = await gateway.ask('GET', '/api/me', { headers: { authorization: `Bearer ${CLI_TOKEN}` } });
    expect([early.status, early.body.code]).toEqual([401, 'set_up_needed']);
    const wrong = await gateway.ask('POST', '/api/set-up', { json: { ...FIRST, token: 'x'.repeat(30) } });
    expect([wrong.status, wrong.body.field, wrong.body.code]).toEqual([403, 'token', 'set_up_token_refused']);

    const answers = await Promise.all(
      Array.from({ length: 5 }, () => gateway.ask('POST', '/api/set-up', { json: FIRST })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
    const made = answers.find(({ status }) => status === 201)!;
    expect(made.body).toMatchObject({ role: 'admin', workspace: { name: 'Engines', slug: 'engines' } });
    const cookie = cookieOf(made.headers);
    expect(cookie).toMatch(/^capstan_session=[\w-]{43}; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Lax$/);
    const me = await gateway.ask('GET', '/api/me', { headers: { cookie: cookie.split(';')[0]! } });
    expect(me.body.user.email).toBe('Ada@example.org');
    expect((await gateway.ask('GET', '/api/set-up')).body).toEqual({ needed: false });
  });

  it('keeps no session in clear', async () => {
    const user = await gateway.aUser();
    const value = user.cookie.split('=')[1]!;
    const rows = await gateway.database.query<{ all: string }>('select session::text as all from session');
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.some(({ all }) => all.includes(value))).toBe(false);
  });

  it('signs in and out', async () => {
    const signedIn = await gateway.ask('POST', '/api/sign-in', {
      json: { email: 'ada@EXAMPLE.org', password: FIRST.password },
    });
    expect(signedIn.status).toBe(200);
    const cookie = cookieOf(signedIn.headers).split(';')[0]!;
    const out = await gateway.ask('POST', '/api/sign-out', { headers: { cookie } });
    expect([out.status, cookieOf(out.headers)]).toEqual([204, expect.stringContaining('Max-Age=0')]);
    expect((await gateway.ask('GET', '/api/me', { headers: { cookie } })).status).toBe(401);
  });

  it('locks the account and the address after five wrong passwords, known account or not', async () => {
    const proxied = await TestGateway.start({ CAPSTAN_TRUSTED_PROXIES: '1' });
    try {
      await proxied.aUser({ email: 'eve@example.org', password: 'her own long password' });
      const from = (address: string, email: string, password = 'wrong password') =>
        proxied.ask('POST', '/api/sign-in', { json: { email, password }, headers: { 'x-forwarded-for': address } });
      for (const email of ['eve@example.org', 'nobody@example.org']) {
        const address = email.startsWith('eve') ? '198.51.100.1' : '198.51.100.2';
        for (let attempt = 1; attempt <= 5; attempt += 1) {
          const answer = await from(address, email);
          expect([answer.status, answer.body.code]).toEqual([401, 'sign_in_refused']);
        }
        const locked = await from(address, email);
        expect([locked.status, locked.body.code]).toEqual([429, 'sign_in_locked']);
        expect(Number(locked.headers.get('retry-after'))).toBeGreaterThan(890);
      }
      // The right password doesn't open a locked account, nor does another account open a locked address.
      expect((await from('203.0.113.9', 'eve@example.org', 'her own long password')).status).toBe(429);
      expect((await from('198.51.100.1', 'somebody@example.org')).status).toBe(429);
      await proxied.database.query(
        `update sign_in_attempt set locked_until = now() - interval '1 s', updated_at = now() - interval '16 minutes'`,
      );
      expect((await from('198.51.100.1', 'eve@example.org', 'her own long password')).status).toBe(200);
    } finally {
      await proxied.close();
    }
  });

  it('tries no more than five passwords of many that come at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        gateway.ask('POST', '/api/sign-in', { json: { email: 'burst@example.org', password: `guess ${index}` } }),
      ),
    );
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(15);
    await gateway.database.query('delete from sign_in_attempt');
  });

  it('signs in with a link once, from this machine only', async () => {
    const user = await gateway.aUser();
    const made = await gateway.ask('POST', '/api/sign-in/links', { as: user });
    expect([made.status, made.body.path]).toEqual([201, `/sign-in#link=${made.body.token}`]);
    const far = await gateway.ask('POST', '/api/sign-in/link', {
      json: { token: made.body.token },
      headers: { 'x-forwarded-for': '198.51.100.1' },
    });
    expect([far.status, far.body.code]).toEqual([403, 'link_not_local']);
    const first = await gateway.ask('POST', '/api/sign-in/link', { json: { token: made.body.token } });
    expect([first.status, first.body.user.id]).toEqual([200, user.userId]);
    const second = await gateway.ask('POST', '/api/sign-in/link', { json: { token: made.body.token } });
    expect([second.status, second.body.code]).toEqual([401, 'link_refused']);
  });

  it('takes an access token until it is revoked, and shows it once', async () => {
    const user = await gateway.aUser();
    const made = await gateway.ask('POST', '/api/tokens', { as: user, json: { name: 'script' } });
    expect(made.body.token).toMatch(/^capstan_[\w-]{43}$/);
    const authorization = `Bearer ${made.body.token as string}`;
    expect((await gateway.ask('GET', '/api/me', { headers: { authorization } })).body.user.id).toBe(user.userId);
    const listed = await gateway.ask('GET', '/api/tokens', { as: user });
    expect(listed.body.items).toHaveLength(1);
    expect(listed.text).not.toContain(made.body.token);
    const other = await gateway.aUser({ workspaceId: user.workspaceId });
    expect((await gateway.ask('DELETE', `/api/tokens/${made.body.id}`, { as: other })).status).toBe(404);
    expect((await gateway.ask('DELETE', `/api/tokens/${made.body.id}`, { as: user })).status).toBe(204);
    expect((await gateway.ask('GET', '/api/me', { headers: { authorization } })).status).toBe(401);
  });

  it("takes the terminal's token over loopback alone", async () => {
    const authorization = `Bearer ${CLI_TOKEN}`;
    const here = await gateway.ask('GET', '/api/me', { headers: { authorization } });
    expect(here.body.user.email).toBe('Ada@example.org');
    for (const header of ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via']) {
      const behind = await gateway.ask('GET', '/api/me', { headers: { authorization, [header]: '1.2.3.4' } });
      expect(behind.status).toBe(401);
    }
  });

  it('prolongs a session that is used', async () => {
    const user = await gateway.aUser();
    await gateway.database.query(
      `update session set last_seen_at = now() - interval '10 minutes', expires_at = now() + interval '1 day' where user_id = $1`,
      [user.userId],
    );
    const me = await gateway.ask('GET', '/api/me', { as: user });
    expect(cookieOf(me.headers)).toContain(user.cookie);
    const [row] = await gateway.database.query<{ days: number }>(
      `select extract(day from expires_at - now())::int as days from session where user_id = $1`,
      [user.userId],
    );
    expect(row!.days).toBeGreaterThanOrEqual(29);
    expect(cookieOf((await gateway.ask('GET', '/api/me', { as: user })).headers)).toBe('');
  });
});
