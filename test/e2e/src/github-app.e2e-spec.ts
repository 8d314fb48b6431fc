import type { ForgeApp, Repository, Task } from '@capstan/api';
import { aSystem, change, eventually, LABEL, SYSTEM_FILES, type System } from '@capstan/test-support';

const NAME = 'acme/private';

interface CheckRun {
  readonly name: string;
  readonly conclusion: string;
  readonly details_url: string;
  readonly app: { readonly slug: string };
}

describe('With a GitHub App and no token', () => {
  let system: System;

  beforeAll(async () => {
    system = await aSystem({ repositories: [] });
    await system.forge.createRepository(NAME, { files: SYSTEM_FILES, private: true });
    system.forge.branchRules(NAME, 'main', { requiredChecks: ['test'] });
  });
  afterAll(() => system?.expectNothingLeft());

  /** Goes where a person's browser goes: Capstan's page, GitHub's confirmation, and back with the code. */
  async function registered(): Promise<ForgeApp> {
    const json = { apiUrl: system.forge.apiUrl, organization: 'acme' };
    const { page } = await system.post<{ page: string }>('/api/forge-apps/manifests', json);
    const authorization = `Bearer ${system.capstan.token}`;
    const html = await (await fetch(system.capstan.url + page, { headers: { authorization } })).text();
    const plain = (text: string) => text.replace(/&#(\d+);/g, (_all, code: string) => String.fromCharCode(+code));
    const action = new URL(plain(/action="([^"]+)"/.exec(html)![1]!));
    const manifest = plain(/name="manifest" value="([^"]+)"/.exec(html)![1]!);
    const { name } = JSON.parse(manifest) as { name: string };
    const state = action.searchParams.get('state')!;
    const confirmed = await fetch(new URL('/organizations/acme/settings/apps/confirm', action), {
      method: 'POST',
      body: new URLSearchParams({ manifest, state, name }),
      redirect: 'manual',
    });
    const back = new URL(confirmed.headers.get('location')!).searchParams;
    return system.post<ForgeApp>('/api/forge-apps', { code: back.get('code'), state: back.get('state') });
  }

  it('takes a ticket to its merge, each step with a token for it alone, and says so on the head', async () => {
    const app = await registered();
    system.forge.apps.install(app.slug, 'acme', [NAME]);
    const repository = await system.post<Repository>('/api/repositories', {
      fullName: NAME,
      apiUrl: system.forge.apiUrl,
      credentialSecret: app.credentialSecret,
      label: LABEL,
      agent: { agent: 'command', argv: system.agentArgv, output: 'text' },
    });
    expect(repository.forgeApp).toEqual({ id: app.id, slug: app.slug });

    const number = await system.ticket('Say hello', change('hello'), NAME);
    const task: Task = await system.taskOf(number, NAME);
    const done = await system.untilState(task.id, 'completed', 120_000);
    await system.untilTicketClosed(number, 30_000, NAME);
    expect(done.pullRequest).toMatchObject({ state: 'merged' });

    const [pull] = await system.atForge<{ head: { sha: string } }[]>(`/repos/${NAME}/pulls?state=all`);
    const head = pull!.head.sha;
    const { check_runs: runs } = await system.atForge<{ check_runs: CheckRun[] }>(
      `/repos/${NAME}/commits/${head}/check-runs?filter=all`,
    );
    expect(runs.filter(({ app: by }) => by.slug === app.slug)).toMatchObject([
      { name: 'Capstan', conclusion: 'neutral', details_url: `${system.capstan.url}/tasks/${task.id}` },
    ]);
    const [followed] = await system.pullRequests(task.id);
    expect(followed!.checkList.map((check) => check.name)).toEqual(['test']);

    const requests = system.forge.journal.flatMap((entry) => (entry.kind === 'request' ? [entry] : []));
    const wrote = requests.filter(({ method, path }) => method !== 'GET' && !/settings\/apps|upload-pack/.test(path));
    expect(new Set(wrote.map(({ login }) => login))).toEqual(new Set([null, `${app.slug}[bot]`]));
    const wanted = requests.filter(({ path }) => path.endsWith('/access_tokens')).map(({ body }) => body);
    expect(wanted.length).toBeGreaterThan(3);
    for (const body of wanted) expect(body).toMatchObject({ repositories: ['private'] });
    expect(wanted).toContainEqual({ repositories: ['private'], permissions: { contents: 'read' } });
    expect(wanted.filter((body) => JSON.stringify(body).includes('"contents":"write"'))).toHaveLength(1);
    const secrets = await system.get<{ items: { name: string }[] }>('/api/secrets');
    expect(secrets.items.map(({ name }) => name)).toEqual([app.credentialSecret]);
  });

  it('tells where the tickets are looked for that the app was suspended, and goes on when it is lifted', async () => {
    const [app] = (await system.get<{ items: ForgeApp[] }>('/api/forge-apps')).items;
    system.forge.apps.suspend(app!.slug, 'acme', true);
    await eventually(async () => {
      const { items } = await system.get<{ items: { lastError: string | null }[] }>('/api/ticket-sources');
      return items[0]!.lastError?.includes('is suspended');
    }, 60_000);
    system.forge.apps.suspend(app!.slug, 'acme', false);
    const number = await system.ticket('Say hello again', change('again'), NAME);
    const [source] = (await system.get<{ items: { id: string }[] }>('/api/ticket-sources')).items;
    await system.post(`/api/ticket-sources/${source!.id}/poll`);
    const task = await system.taskOf(number, NAME);
    await system.untilState(task.id, 'completed', 120_000);
  });
});
