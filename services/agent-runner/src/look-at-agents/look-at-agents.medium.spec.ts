import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AGENT_NAMES, agent } from '@capstan/agents';
import { Database, migrate, type AgentProgram } from '@capstan/database';
import { createRuntime, type Runtime } from '@capstan/runtimes';
import { supervisorFile } from '@capstan/supervisor';
import { bubblewrap, testDatabase } from '@capstan/test-support';
import { FakePrograms } from '../scratch-pod/fake-claude.fixture.js';
import { ScratchPod } from '../scratch-pod/scratch-pod.js';
import { recordLook } from './look-at-agents.apply.js';
import { versionSaid, type Sight } from './look-at-agents.decide.js';
import { AgentLook } from './look-at-agents.js';

jest.setTimeout(60_000);

let data: string;
let programs: FakePrograms;

beforeAll(() => {
  data = mkdtempSync(join(realpathSync(tmpdir()), 'capstan-look-'));
  programs = new FakePrograms();
});
afterAll(() => {
  programs.close();
  rmSync(data, { recursive: true, force: true });
});
beforeEach(() => {
  for (const name of AGENT_NAMES) programs.remove(agent(name).program?.name ?? name);
});

const aRuntime = (over: { isolated?: boolean } = {}): Runtime =>
  createRuntime({
    ...{ kind: 'local', directory: join(data, 'pods'), supervisorFile: supervisorFile() },
    ...(over.isolated === true && {
      isolation: { mode: 'require' as const, bwrap: bubblewrap(), hidden: [data], readable: [], unreachable: [] },
    }),
  });
const signal = new AbortController().signal;
const of = (sights: readonly Sight[], name: string): Sight => sights.find((sight) => sight.agent === name)!;

describe('a look', () => {
  it('finds what a run would find, and asks it for its version behind the boundary of one', async () => {
    const path = programs.install('claude', { version: '2.0.7' });
    // What it tells is what it sees: a home of its own, no proxy, and no other process.
    programs.install('codex', {
      text: '#!/bin/sh\necho "$HOME|$HTTPS_PROXY|1.2.3-beta.4|$(ls /proc | grep -c "^[0-9]")"\n',
    });
    const sights = await new AgentLook(aRuntime({ isolated: true }), undefined).look(signal);
    expect(of(sights, 'claude-code')).toEqual({
      agent: 'claude-code',
      path,
      version: '2.0.7',
      problem: null,
      logIn: null,
    });
    expect(of(sights, 'codex')).toMatchObject({ version: '1.2.3-beta.4', problem: null });
    expect(of(sights, 'gemini')).toEqual({ agent: 'gemini', path: null, version: null, problem: null, logIn: null });
    expect(sights.map((sight) => sight.agent)).not.toContain('command');
    expect(await aRuntime().list({})).toEqual([]);
  });

  it('says what is wrong with a program that can not be started', async () => {
    programs.install('claude', { mode: 'crashes' });
    programs.install('opencode', { text: '#!/nowhere/at/all\n' });
    programs.install('copilot', { text: '#!/bin/sh\necho hello\n' });
    const sights = await new AgentLook(aRuntime(), undefined).look(signal);
    expect(of(sights, 'claude-code').problem).toEqual({
      code: 'agent_version_unknown',
      detail: 'It exited with 7: no such library',
    });
    expect(of(sights, 'opencode').problem).toMatchObject({ code: 'agent_not_found' });
    expect(of(sights, 'copilot').problem).toEqual({ code: 'agent_version_unknown', detail: 'It named none: hello' });
  });

  it('asks again only where the file is another, the last answer was none, or somebody wants to know', async () => {
    const asked = join(data, 'asked');
    const counting = (version: string) => `#!/bin/sh\necho x >> ${asked}\necho ${version}\n`;
    programs.install('claude', { text: counting('1.0.0') });
    const look = new AgentLook(aRuntime(), undefined);
    const versions = async (anew?: boolean) => of(await look.look(signal, anew), 'claude-code').version;
    const times = () => readFileSync(asked, 'utf8').length / 2;
    expect([await versions(), await versions()]).toEqual(['1.0.0', '1.0.0']);
    expect(times()).toBe(1);
    programs.install('claude', { text: counting('1.0.10') });
    expect(await versions()).toBe('1.0.10');
    expect(await versions(true)).toBe('1.0.10');
    expect(times()).toBe(3);
  });

  it('tells of the log-in where it may stand in, without its value', async () => {
    const home = mkdtempSync(join(data, 'home-'));
    mkdirSync(join(home, '.codex'));
    writeFileSync(join(home, '.codex', 'auth.json'), JSON.stringify({ OPENAI_API_KEY: 'sk-own' }));
    const sights = await new AgentLook(aRuntime(), home).look(signal);
    expect(of(sights, 'codex').logIn).toEqual({
      ...{ state: 'usable', place: '~/.codex/auth.json', words: 'An API key of OpenAI', remedy: null },
      secrets: ['OPENAI_API_KEY'],
    });
    expect(of(sights, 'claude-code').logIn).toBeNull();
    expect(JSON.stringify(sights)).not.toContain('sk-own');
  });
});

it('pods that a runner which died has left are deleted, and no other', async () => {
  const runtime = aRuntime();
  const labels = { 'capstan.dev/purpose': 'agent-check' };
  await runtime.create({ name: 'left', labels: { ...labels, 'capstan.dev/until': '1000' } });
  await runtime.create({ name: 'used', labels: { ...labels, 'capstan.dev/until': '3000' } });
  await runtime.create({ name: 'work', labels: {} });
  await ScratchPod.sweep(runtime, 2_000);
  expect((await runtime.list({})).map(({ name }) => name).toSorted()).toEqual(['used', 'work']);
});

it.each([
  [{ code: 0 }, { out: '2.1.329 (Claude Code)\n', err: '' }, '2.1.329'],
  [{ code: 0 }, { out: 'codex-cli 0.169.0', err: 'warning' }, '0.169.0'],
  [{ code: 0 }, { out: 'GitHub Copilot CLI 1.0.102.\nCommit: abc', err: '' }, '1.0.102'],
  [{ code: 1 }, { out: '2.1.329', err: '' }, null],
  [{ code: null, ended: 'deadline' }, { out: '2.1.329', err: '' }, null],
])('%j and %j say the version %s', (exit, said, version) => {
  expect(versionSaid(exit, said)).toMatchObject({ version, problem: version === null ? expect.anything() : null });
});

describe('what is written down', () => {
  let server: Awaited<ReturnType<typeof testDatabase>>;
  let database: Database;
  beforeAll(async () => {
    server = await testDatabase({ migrate });
    database = await Database.open({ url: server.url });
  });
  afterAll(async () => {
    await database.close();
    await server.close();
  });
  const sight = (over: Partial<Sight> = {}): Sight => ({
    ...{ agent: 'codex', path: '/usr/bin/codex', version: '1.0.0', problem: null },
    logIn: { state: 'unusable', place: '~/x', words: 'w', remedy: { words: 'r', command: null }, secrets: [] },
    ...over,
  });
  const news = async () => (await database.query(`select 1 from outbox where subject like '%agent.changed%'`)).length;
  const rows = () => database.query<AgentProgram>('select * from agent_program order by host, agent');

  it('is told of where it is something else than before, and forgotten with its machine', async () => {
    await recordLook(database, 'one', [sight(), sight({ agent: 'gone' })]);
    expect(await news()).toBe(1);
    await recordLook(database, 'one', [sight()]);
    await recordLook(database, 'one', [sight()]);
    expect(await news()).toBe(2);
    await recordLook(database, 'other', [sight({ problem: { code: 'agent_not_found', detail: 'd' } })]);
    expect((await rows()).map(({ host, agent: name }) => `${host} ${name}`)).toEqual(['one codex', 'other codex']);
    await database.query(`update agent_program set looked_at = looked_at - interval '2 days' where host = 'one'`);
    await recordLook(database, 'other', [sight()]);
    expect(await rows()).toMatchObject([{ host: 'other', version: '1.0.0', logIn: { place: '~/x' }, problem: null }]);
  });
});
