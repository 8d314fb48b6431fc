import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startGitHubDouble } from '@capstan/test-support';
import type { Forge, ForgeAccess, ForgeConnection } from './forge.port.js';
import { forge, FORGE_NAMES } from './registry.js';

type Grants = Readonly<Record<string, 'read' | 'write'>>;
type Deed = (connection: ForgeConnection) => Promise<unknown>;

/** What a forge's double must offer: tokens with less than all, and what is done with each permission later. */
interface AccessStage {
  /** A connection to the private or the public repository, with a token that has these permissions. */
  connect(grants: Grants | undefined, isPrivate: boolean): ForgeConnection;
  readonly all: Grants;
  /** By the permission in the forge's words: what Capstan does with it. Each throws when it is refused. */
  readonly deeds: Readonly<Record<string, Deed>>;
  /** Everything of the connection's repository that a person would find changed. */
  state(connection: ForgeConnection): Promise<unknown>;
  stop(): Promise<void>;
}

const FILES = { 'README.md': 'App\n' };
const run = promisify(execFile);

async function startGitHubStage(): Promise<AccessStage> {
  const directory = await mkdtemp(join(tmpdir(), 'capstan-access-'));
  const double = await startGitHubDouble({ dir: join(directory, 'forge'), validate: false });
  const names = { true: 'acme/private', false: 'acme/public' } as const;
  for (const isPrivate of [true, false])
    await double.createRepository(names[`${isPrivate}`], { files: FILES, private: isPrivate });
  const git = forge('github');
  let count = 0;

  async function ask({ apiUrl, fullName, token }: ForgeConnection, method: string, path: string, body?: object) {
    const answer = await fetch(`${apiUrl}/repos/${fullName}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }
  async function branch(fullName: string): Promise<string> {
    count += 1;
    await double.actingAs('ada').pushFile(fullName, `work-${count}`, `file-${count}.txt`, 'x\n');
    return `work-${count}`;
  }
  const ownPull = async (fullName: string) =>
    double.actingAs('ada').openPullRequest(fullName, { title: 'T', head: await branch(fullName), base: 'main' });

  async function push(connection: ForgeConnection): Promise<void> {
    count += 1;
    const clone = join(directory, `clone-${count}`);
    const header = `http.extraHeader=Authorization: ${git.gitAuthorization(connection)}`;
    await run('git', ['-c', header, 'clone', '-q', connection.cloneUrl, clone]);
    await run('git', ['-C', clone, '-c', header, 'push', '-q', 'origin', `HEAD:refs/heads/pushed-${count}`]);
  }
  async function merge(connection: ForgeConnection): Promise<void> {
    const number = await ownPull(connection.fullName);
    const pulls = (await ask({ ...connection, token: full }, 'GET', `/pulls/${number}`)) as { head: { sha: string } };
    const merged = await git.merge(connection, number, { sha: pulls.head.sha, method: 'merge' });
    if (merged.kind !== 'done') throw new Error(merged.reason);
  }
  async function pullRequests(connection: ForgeConnection): Promise<void> {
    const head = await branch(connection.fullName);
    const request = { title: 'T', body: '', head, base: 'main', draft: false };
    const opened = await git.open(connection, request);
    if (opened.kind !== 'done') throw new Error(opened.reason);
    const { number } = opened.value;
    const seen = await git.view(connection, number);
    if (!seen.reviews.known) throw new Error(seen.reviews.reason);
    await git.comment(connection, number, 'c');
    await git.close(connection, number);
  }
  async function issues(connection: ForgeConnection): Promise<void> {
    const number = await double.createIssue(connection.fullName, { title: 'I', labels: ['capstan'] });
    await ask(connection, 'GET', '/issues?labels=capstan');
    await ask(connection, 'GET', `/issues/${number}/comments`);
    await ask(connection, 'POST', `/issues/${number}/comments`, { body: 'c' });
    await ask(connection, 'PATCH', `/issues/${number}`, { state: 'closed' });
  }
  const full = double.createToken({ login: 'ada' });
  return {
    connect: (grants, isPrivate) => ({
      fullName: names[`${isPrivate}`],
      apiUrl: double.apiUrl,
      cloneUrl: `${double.url}/${names[`${isPrivate}`]}.git`,
      token: double.createToken({ login: 'capstan-bot', ...(grants && { grants }) }),
    }),
    all: { contents: 'write', pull_requests: 'write', issues: 'write', statuses: 'read', actions: 'read' },
    deeds: {
      'Metadata: Read-only': (connection) => git.repository(connection),
      'Contents: Read and write': async (connection) => [await push(connection), await merge(connection)],
      'Pull requests: Read and write': pullRequests,
      'Issues: Read and write': issues,
      'Commit statuses: Read-only': (connection) => ask(connection, 'GET', '/commits/main/status'),
      'Actions: Read-only': (connection) => ask(connection, 'GET', '/actions/runs'),
      'Checks: Read-only': (connection) => ask(connection, 'GET', '/commits/main/check-runs'),
    },
    async state(connection) {
      const lists = ['/issues?state=all', '/pulls?state=all', '/branches', '/labels'];
      return Promise.all(lists.map((path) => ask({ ...connection, token: full }, 'GET', `${path}`)));
    },
    async stop() {
      await double.close();
      await rm(directory, { recursive: true, force: true });
      expect(double.faultsOfOurs).toEqual([]);
    },
  };
}

/** One line per forge. */
const STAGES: Readonly<Record<string, () => Promise<AccessStage>>> = { github: startGitHubStage };

it('covers every forge of the registry', () => {
  expect(Object.keys(STAGES).sort()).toEqual([...FORGE_NAMES].sort());
});

describe.each(Object.entries(STAGES))('access to %s', (name, startStage) => {
  let stage: AccessStage;
  let git: Forge;
  beforeAll(async () => {
    stage = await startStage();
    git = forge(name);
  });
  afterAll(() => stage.stop());

  const check = (connection: ForgeConnection) => git.checkAccess(connection, { tickets: true, workflows: false });
  const statesOf = ({ permissions }: ForgeAccess) =>
    Object.fromEntries(permissions.map(({ permission, state }) => [permission, state]));

  /** What then works, told as the test tells it. */
  async function deedsOf(connection: ForgeConnection): Promise<Record<string, string>> {
    const states: Record<string, string> = {};
    for (const [permission, deed] of Object.entries(stage.deeds))
      states[permission] = await deed(connection).then(
        () => 'ok',
        (error: Error) => {
          // Anything else is a fault of the test.
          if (!/\b40[13]\b/.test(error.message)) throw error;
          return 'missing';
        },
      );
    return states;
  }

  function narrowed(): readonly (readonly [string, Grants])[] {
    const all = Object.entries(stage.all);
    return [
      ['all', stage.all],
      ['none', {}],
      ...all.map(([lost]) => [`no ${lost}`, Object.fromEntries(all.filter(([each]) => each !== lost))] as const),
      ...all
        .filter(([, level]) => level === 'write')
        .map(([each]) => [`${each} read only`, { ...stage.all, [each]: 'read' as const }] as const),
    ];
  }

  it.each([true, false])(
    'says what then works and what does not (private: %s)',
    async (isPrivate) => {
      const seen = new Set<string>();
      for (const [what, grants] of narrowed()) {
        const connection = stage.connect(grants, isPrivate);
        const before = await stage.state(connection);
        const access = await check(connection);
        expect([what, await stage.state(connection)]).toEqual([what, before]);
        expect([what, statesOf(access)]).toEqual([what, await deedsOf(connection)]);
        for (const { state, words, remedy } of access.permissions) {
          seen.add(state);
          expect(state === 'ok' ? [words, remedy] : [words, remedy].map((text) => (text ?? '') !== '')).toEqual(
            state === 'ok' ? [null, null] : [true, true],
          );
        }
      }
      expect([...seen].sort()).toEqual(['missing', 'ok']);
    },
    120_000,
  );

  it('notices at once what a person changes about a token', async () => {
    const connection = stage.connect({}, true);
    const before = await check(connection);
    const wider = stage.connect(stage.all, true);
    expect(statesOf(before)).not.toEqual(statesOf(await check(wider)));
    await expect(check({ ...connection, token: 'wrong' })).rejects.toMatchObject({ code: 'credential_refused' });
    await expect(check({ ...connection, fullName: 'acme/none' })).rejects.toMatchObject({ code: 'remote_not_found' });
  });

  it('guides to a token that has what is tested, but what the forge cannot give', async () => {
    const uses = { tickets: true, workflows: true };
    const { fullName, apiUrl } = stage.connect(stage.all, true);
    const guide = git.tokenGuide({ apiUrl, fullName }, uses);
    const { permissions } = await git.checkAccess(stage.connect(stage.all, true), uses);
    expect(permissions.map(({ permission }) => permission)).toEqual(guide.needs.map(({ permission }) => permission));
    expect(permissions.filter(({ state }) => state === 'missing')).toEqual([
      expect.objectContaining({ grantable: false, required: false }),
    ]);
    expect(new URL(guide.newTokenUrl).origin).toBe(new URL(apiUrl).origin);
    expect(() => git.tokenGuide({ apiUrl: 'nonsense', fullName: null }, uses)).toThrow(
      expect.objectContaining({ code: 'address_invalid', field: 'apiUrl' }),
    );
  });
});
