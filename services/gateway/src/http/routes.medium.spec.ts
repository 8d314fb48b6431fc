import { request } from 'node:http';
import fc from 'fast-check';
import { pathOf, ROLE_PERMISSIONS, routes, type Route, type RouteName } from '@capstan/api';
import { newId, TicketSource } from '@capstan/database';
import { SYMPTOMS, type Id } from '@capstan/domain';
import { aPullRequest, aRepository, aRun } from '@capstan/test-support';
import { TestGateway, type SignedInUser } from '../gateway.fixture.js';
import { MAX_BODY_BYTES } from './body.js';

const ID = '0190c2f4-7b00-7000-8000-000000000001';
const AGENT = { agent: 'command', argv: ['true'] };

/** A body that each route takes, for those that take one. */
const BODIES: Partial<Record<RouteName, Record<string, unknown>>> = {
  setUp: {
    token: 'x'.repeat(30),
    name: 'A',
    email: 'a@example.org',
    password: 'long enough 1',
    workspaceName: 'W',
  },
  signIn: { email: 'a@example.org', password: 'x' },
  redeemLink: { token: 'x'.repeat(30) },
  createToken: { name: 'n' },
  createTask: { repositoryId: ID, title: 'T', body: 'B', baseBranch: 'main', limits: { maxTurns: 3 } },
  cancelTask: { reason: 'r' },
  retryTask: { reason: 'r' },
  restartTask: { reason: 'r' },
  redoTask: { reason: 'r' },
  checkTask: { reason: 'r' },
  messageTask: { text: 'm' },
  interruptTask: { reason: 'r' },
  setTaskLimits: { maxTurns: 3 },
  reprioritizeTask: { priority: 3 },
  setDependencies: { dependsOn: [] },
  cancelActive: { repositoryId: ID },
  retryFailed: { repositoryId: ID },
  replayParked: { reason: 'r' },
  dropParked: { reason: 'r' },
  replayAllParked: { kind: 'pod' },
  patchWorkspace: { name: 'N' },
  createRepository: { fullName: 'a/b', apiUrl: 'http://127.0.0.1:1', token: 't', agent: AGENT },
  checkAccess: { fullName: 'a/b', apiUrl: 'http://127.0.0.1:1', token: 't' },
  beginForgeApp: { organization: null },
  createForgeApp: { code: 'c', state: 's' },
  patchRepository: { version: 1, instructions: 'i', agent: AGENT },
  putSecret: { value: 'v' },
  putOwnSecret: { value: 'v' },
  testAgent: { repositoryId: ID },
  putModelOrder: { entries: [{ kind: 'key', secret: 'OPENAI_API_KEY' }] },
};

const all = Object.entries(routes) as [RouteName, Route][];
const guarded = all.filter(([, route]) => route.permission !== 'public');
const writing = all.filter(([, route]) => route.body !== undefined);

/** Routes that ask a forge. */
const WITH_FORGE: readonly RouteName[] = ['createRepository', 'checkAccess'];

/** Parameters that are no ids. */
const WORDS: Readonly<Record<string, string>> = { name: 'NAME', kind: 'task', protocol: 'openai' };

/** The route's address with parameters that fit. */
function address(route: Route, over: Readonly<Record<string, string>> = {}): string {
  const names = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name!);
  const params = Object.fromEntries(names.map((name) => [name, over[name] ?? WORDS[name] ?? ID]));
  return pathOf(route, params);
}

describe('every route', () => {
  let gateway: TestGateway;
  let admin: SignedInUser;
  let viewer: SignedInUser;
  beforeAll(async () => {
    gateway = await TestGateway.start();
    admin = await gateway.aUser();
    viewer = await gateway.aUser({ workspaceId: admin.workspaceId, role: 'viewer' });
  });
  afterAll(() => gateway.close());

  const expectProblem = (
    answer: Awaited<ReturnType<TestGateway['ask']>>,
    status: number,
    code: unknown = expect.any(String),
  ) => {
    expect([answer.status, answer.text]).toEqual([status, answer.text]);
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(answer.body).toMatchObject({ status, code, requestId: expect.any(String) });
    expect(answer.headers.get('x-request-id')).toBe(answer.body.requestId);
  };

  it('has a sample body here, so that none is forgotten', () => {
    expect(writing.map(([name]) => name).sort()).toEqual(Object.keys(BODIES).sort());
    for (const [name, route] of writing)
      expect([name, route.body!.safeParse(BODIES[name]).success]).toEqual([name, true]);
  });

  it.each(guarded)('%s wants a session before it looks at anything', async (_name, route) => {
    const answer = await gateway.ask(route.method, address(route), route.method === 'GET' ? {} : { raw: '{' });
    expectProblem(answer, 401);
  });

  it.each(guarded.filter(([, { permission }]) => !ROLE_PERMISSIONS.viewer.includes(permission)))(
    '%s is not for viewers',
    async (name, route) => {
      const asked = route.body === undefined ? {} : { json: BODIES[name] };
      expectProblem(await gateway.ask(route.method, address(route), { as: viewer, ...asked }), 403);
    },
  );

  it.each(writing)('%s refuses what is not JSON', async (_name, route) => {
    for (const raw of ['{', 'nul', '{"a":1}}', '\u0000']) {
      const answer = await gateway.ask(route.method, address(route), { as: admin, raw });
      expectProblem(answer, 400);
    }
    const invalid = await gateway.ask(route.method, address(route), { as: admin, raw: new Uint8Array([34, 255, 34]) });
    expectProblem(invalid, 400);
  });

  it.each(writing)('%s refuses another content type and a compressed body', async (name, route) => {
    const raw = JSON.stringify(BODIES[name]);
    const kinds: Record<string, string>[] = [
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/x-www-form-urlencoded' },
      { 'content-type': 'application/json; charset=latin1' },
      { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    ];
    for (const headers of kinds)
      expectProblem(await gateway.ask(route.method, address(route), { as: admin, raw, headers }), 415);
  });

  it.each(writing)('%s refuses more than a megabyte', async (name, route) => {
    const json = { ...BODIES[name], padding: 'x'.repeat(MAX_BODY_BYTES) };
    expectProblem(await gateway.ask(route.method, address(route), { as: admin, json }), 413);
  });

  it.each(writing)('%s names an unknown field', async (name, route) => {
    const answer = await gateway.ask(route.method, address(route), {
      as: admin,
      json: { ...BODIES[name], surplus: 1 },
    });
    expectProblem(answer, 422);
    expect(answer.body.issues).toContainEqual({ field: 'surplus', message: 'unknown field' });
  });

  it.each(all)('%s names an unknown query parameter', async (name, route) => {
    const asked = route.body === undefined ? {} : { json: BODIES[name] };
    const answer = await gateway.ask(route.method, `${address(route)}?surplus=1`, { as: admin, ...asked });
    expectProblem(answer, 422);
    expect(answer.body).toMatchObject({ field: 'surplus' });
  });

  it.each(all.filter(([, { path }]) => path.includes(':')))('%s refuses an id that is none', async (name, route) => {
    const asked = route.body === undefined ? {} : { json: BODIES[name] };
    for (const bad of ['not-an-id', '%00', "'--", '%F0%9F%98%80']) {
      const answer = await gateway.ask(route.method, route.path.replace(/:\w+/, bad), { as: admin, ...asked });
      expect([404, 422]).toContain(answer.status);
    }
    const broken = await gateway.ask(route.method, route.path.replace(/:\w+/, '%E0%A4%A'), { as: admin, ...asked });
    expectProblem(broken, 400);
  });

  it.each(writing)('%s refuses text that Postgres can not hold', async (name, route) => {
    for (const [field, value] of Object.entries(BODIES[name]!).filter(([, value]) => typeof value === 'string')) {
      for (const bad of ['\u0000', '\ud800']) {
        const json = { ...BODIES[name], [field]: `${value as string}${bad}` };
        const answer = await gateway.ask(route.method, address(route), { as: admin, json });
        expect([field, answer.status]).toEqual([field, 422]);
      }
    }
  });

  it.each(writing)('%s never breaks, whatever it is sent', async (name, route) => {
    const fields = Object.keys(BODIES[name]!);
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(fc.constantFrom(...fields), fc.jsonValue()).map((odd) => ({ ...BODIES[name], ...odd })),
    );
    await fc.assert(
      fc.asyncProperty(anything, async (json) => {
        const answer = await gateway.ask(route.method, address(route), { as: admin, json });
        // 503 is honest for a forge that nobody runs.
        expect(answer.status < 500 || (WITH_FORGE.includes(name) && answer.status === 503)).toBe(true);
      }),
      { numRuns: 15 },
    );
    await gateway.database.query('delete from sign_in_attempt');
  });

  it('answers 404 for what another workspace owns', async () => {
    const foreign = await aForeignWorld(gateway);
    for (const [name, route] of guarded.filter(([, { path }]) => /:\w+Id/.test(path))) {
      const asked = route.body === undefined ? {} : { json: BODIES[name] };
      const answer = await gateway.ask(route.method, address(route, foreign), { as: admin, ...asked });
      expect([name, answer.status]).toEqual([name, 404]);
    }
    const short = await gateway.ask('GET', `/api/tasks/${foreign.taskId.slice(-8)}`, { as: admin });
    expect(short.status).toBe(404);
    const task = { repositoryId: foreign.repositoryId, title: 'T' };
    expect((await gateway.ask('POST', '/api/tasks', { as: admin, json: task })).body.field).toBe('repositoryId');
    const secret = { value: 'v', repositoryId: foreign.repositoryId };
    expect((await gateway.ask('PUT', '/api/secrets/NAME', { as: admin, json: secret })).status).toBe(404);
    for (const path of ['/api/repositories', '/api/tasks', '/api/pull-requests', '/api/pods', '/api/events'])
      expect((await gateway.ask('GET', path, { as: admin })).body.items).toEqual([]);
    expect((await gateway.ask('GET', '/api/ticket-sources', { as: admin })).body.items).toEqual([]);
  });

  it('is refused from pages of other sites and under foreign names', async () => {
    const json = BODIES.createTask;
    for (const origin of ['https://evil.example', 'null', gateway.url.replace('127.0.0.1', 'localhost'), 'garbage'])
      expectProblem(
        await gateway.ask('POST', '/api/tasks', { as: admin, json, headers: { origin } }),
        403,
        'origin_not_allowed',
      );
    const site = { 'sec-fetch-site': 'cross-site' };
    expectProblem(await gateway.ask('POST', '/api/tasks', { as: admin, json, headers: site }), 403);
    const own = await gateway.ask('PATCH', '/api/workspace', { as: admin, json: {}, headers: { origin: gateway.url } });
    expect(own.status).toBe(200);
    expect(await codeUnder('evil.example', gateway.url)).toBe('host_not_allowed');
  });

  it('explains every symptom to those who are signed in', async () => {
    expectProblem(await gateway.ask('GET', '/api/symptoms'), 401);
    const { status, body } = await gateway.ask('GET', '/api/symptoms', { as: admin });
    expect(status).toBe(200);
    const codes = body.items.map(({ code }) => code);
    expect(codes.sort()).toEqual(Object.keys(SYMPTOMS).sort());
    expect(body.items).toContainEqual({ code: 'port_taken', area: 'boot', ...SYMPTOMS.port_taken });
  });

  it('shows its contract as OpenAPI to those who are signed in', async () => {
    expectProblem(await gateway.ask('GET', '/api/openapi.json'), 401);
    expectProblem(await gateway.ask('GET', '/api/docs'), 401);
    const { body } = await gateway.ask('GET', '/api/openapi.json', { as: admin });
    for (const [name, { method, path, permission }] of all)
      expect(body.paths[path.replace(/:(\w+)/g, '{$1}')]![method.toLowerCase()]).toMatchObject({
        operationId: name,
        'x-permission': permission,
      });
    const page = await gateway.ask('GET', '/api/docs', { as: admin });
    for (const [, file] of page.text.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const answer = await gateway.ask('GET', file!, { as: admin });
      expect([file, answer.status, answer.text.length > 50]).toEqual([file, 200, true]);
    }
    expect(page.text).not.toMatch(/https?:/);
  });

  it('answers 404 at addresses that are none', async () => {
    for (const path of ['/api', '/api/nothing', '/api/tasks/', '/hooks'])
      expect([path, (await gateway.ask('GET', path.replace(/\/$/, '/x/y/z'), { as: admin })).status]).toEqual([
        path,
        404,
      ]);
  });
});

/** The code of the refusal under a host name of the caller's choice, which `fetch` doesn't let one choose. */
function codeUnder(host: string, url: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request(`${url}/api/set-up`, { headers: { host } }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () => resolve((JSON.parse(text) as { code: unknown }).code));
    })
      .on('error', reject)
      .end();
  });
}

/** One of everything, in a workspace of its own. */
async function aForeignWorld(gateway: TestGateway): Promise<Record<string, Id> & { taskId: Id; repositoryId: Id }> {
  const stranger = await gateway.aUser();
  const repository = await aRepository(gateway.database, { workspaceId: stranger.workspaceId });
  const { run, task, pod } = await aRun(gateway.database, repository, { taskState: 'running' });
  const pullRequest = await aPullRequest(gateway.database, run);
  const ticketSourceId = newId();
  await gateway.database.transaction((tx) =>
    tx.insert(TicketSource, {
      id: ticketSourceId,
      workspaceId: stranger.workspaceId,
      repositoryId: repository.id,
      kind: 'github-issues',
      project: repository.fullName,
      apiUrl: repository.apiUrl,
      label: 'capstan',
      credentialSecret: 'GITHUB_TOKEN',
    }),
  );
  const request = await gateway.ask('POST', `/api/tasks/${task.id}/cancel`, { as: stranger });
  const token = await gateway.ask('POST', '/api/tokens', { as: stranger, json: { name: 'n' } });
  // All of it is there for its owner.
  for (const path of [`tasks/${task.id}`, `runs/${run.id}`, `runs/${run.id}/log`, `pull-requests/${pullRequest.id}`])
    expect([path, (await gateway.ask('GET', `/api/${path}`, { as: stranger })).status]).toEqual([path, 200]);
  for (const path of ['board', 'repositories', 'tasks', 'pull-requests', 'pods', 'events', 'ticket-sources', 'workers'])
    expect([path, (await gateway.ask('GET', `/api/${path}`, { as: stranger })).status]).toEqual([path, 200]);
  return {
    taskId: task.id,
    rowId: task.id,
    repositoryId: repository.id,
    runId: run.id,
    podId: pod.id,
    pullRequestId: pullRequest.id,
    ticketSourceId,
    requestId: request.body.id as Id,
    tokenId: token.body.id as Id,
  };
}
