import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pod, TaskDetail } from '@capstan/api';
import { ROOT, aSystem, eventually, processesOf, type System, type SystemRepository } from '@capstan/test-support';
import { Canaries, canary, holdsCanary, plantFile } from './canaries.js';

interface Attempt {
  readonly name: string;
  readonly reached: boolean;
  readonly words: string;
}

const AGENT = join(ROOT, 'test/containment/agent');
const DAEMON = `capstan-containment-${process.pid}`;
/** The controls: these have to be reached, or nothing else says anything. */
const ALLOWED = 'allowed: a host that the repository opened';
const OWN_REPOSITORY = 'allowed: its own repository at the git door';
/** What a process without a boundary gets at: the probes are no dummies. */
const OPEN_WITHOUT_BOUNDARY = [
  'a file in the data directory',
  "the data directory's secrets",
  "the servers' passwords",
  "the command's token",
  "another task's worktree",
  "another task's HOME",
  "another repository's pod",
  "the pods' directory as a whole",
  "the user's home",
  'a file in /tmp',
  'a symlink out of the worktree, read through',
  "other processes' arguments",
  'a signal to a stranger',
  'a server on loopback',
  "a server on the machine's own address",
  'Postgres',
  'NATS',
  'the gateway',
  'a Unix socket',
  'an abstract Unix socket',
  'a name server',
  "another repository's objects",
  "its run's own directory",
];

/** The agent's own program comes with the repository: nothing else of this machine is in its reach. */
const hostile = (): Readonly<Record<string, string>> =>
  Object.fromEntries(readdirSync(AGENT).map((name) => [`agent/${name}`, readFileSync(join(AGENT, name), 'utf8')]));

const repository = (fullName: string, files: Readonly<Record<string, string>>, allowed: string): SystemRepository => ({
  fullName,
  files,
  ci: false,
  settings: {
    agent: { agent: 'command', argv: ['node', 'agent/hostile-agent.mjs'] },
    mergeWithoutChecks: true,
    egressHosts: [allowed],
  },
});

describe.each([
  ['require', 'nothing'],
  ['off', 'much'],
] as const)('A hostile agent with CAPSTAN_ISOLATION=%s reaches %s', (isolation, _reached) => {
  let system: System;
  let canaries: Canaries;
  let task: TaskDetail;
  let attempts: readonly Attempt[];
  let output: string;
  const scratch = mkdtempSync(join(tmpdir(), 'capstan-containment-'));
  const marks = join(scratch, 'marks');
  const otherFiles = { 'README.md': `${canary()}\n` };

  beforeAll(async () => {
    mkdirSync(marks);
    canaries = await Canaries.plant(scratch);
    const allowed = `127.0.0.1:${canaries.planted.openPort}`;
    system = await aSystem({
      env: { CAPSTAN_ISOLATION: isolation, CAPSTAN_EGRESS_PRIVATE_HOSTS: allowed, HIDDEN_FROM_AGENTS: canary() },
      repositories: [
        repository('acme/app', { 'README.md': '# app\n', ...hostile() }, allowed),
        repository('acme/other', { ...otherFiles, ...hostile() }, allowed),
      ],
    });
    await system.capstan.call('PUT', '/api/secrets/OPENAI_API_KEY', { value: canary() });
    // Others have worked here before: their worktrees, pods and homes are on the machine.
    const [before, other] = await Promise.all([quiet('acme/app'), quiet('acme/other')]);
    const [pod, otherPod] = await Promise.all([podOf('acme/app'), podOf('acme/other')]);
    const podsDir = join(system.dataDir, 'pods');
    const otherTask = join(podsDir, pod.name, 'worktrees', `${before.id}-g1`);
    for (const path of [
      join(system.dataDir, 'canary.txt'),
      join(podsDir, otherPod.name, 'canary.txt'),
      join(otherTask, 'tree', 'canary.txt'),
      join(otherTask, 'home', 'canary.txt'),
    ])
      plantFile(path);
    const { postgres, nats } = system.servers();
    const launcher = JSON.parse(readFileSync(join(system.dataDir, 'launcher.json'), 'utf8')) as { internalUrl: string };
    const knows = {
      ...canaries.planted,
      ...{ dataDir: system.dataDir, podsDir, podRoot: join(podsDir, pod.name), marks, allowed, daemon: DAEMON },
      ...{ clone: join(podsDir, pod.name, 'clone'), otherTask, otherPod: join(podsDir, otherPod.name) },
      ...{ otherRunId: before.runs[0]!.id, otherBlob: blobOf(otherFiles['README.md']) },
      ...{ postgresPort: postgres.port, natsPort: nats.port, gatewayPort: portOf(system.capstan.url) },
      ...{ internalPort: portOf(launcher.internalUrl), forgePort: portOf(system.forge.url) },
      ...{ hostPid: system.capstan.hostPid, node: process.execPath },
      supervisor: join(ROOT, 'libs/supervisor/dist/supervisor.mjs'),
      harmless: isolation === 'off',
      commit: 'Work of an agent gone bad',
    };
    expect(other.state).toBe('needs_attention');
    const { id } = await system.post<{ id: string }>('/api/tasks', {
      repositoryId: system.repositoryId(),
      title: 'Try every door',
      body: `KNOWS: ${Buffer.from(JSON.stringify(knows)).toString('base64')}`,
    });
    task = await system.until(
      id,
      'an end',
      ({ runs }) => runs[0]?.outcome !== undefined && runs[0].outcome !== null,
      200_000,
    );
    const lines = await system.log(task.runs[0]!.id);
    output = lines.map(({ text }) => text).join('\n');
    attempts = [...output.matchAll(/^PROBE (\{.*\})$/gm)].map(([, json]) => JSON.parse(json!) as Attempt);
  });
  afterAll(async () => {
    canaries?.take();
    for (const { pid } of processesOf(DAEMON)) process.kill(pid, 'SIGKILL');
    await system?.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  /** A run that changes nothing, but leaves its worktree. */
  async function quiet(fullName: string): Promise<TaskDetail> {
    const knows = Buffer.from(JSON.stringify({ quiet: true })).toString('base64');
    const { id } = await system.post<{ id: string }>('/api/tasks', {
      ...{ repositoryId: system.repositoryId(fullName), title: 'Be quiet', body: `KNOWS: ${knows}` },
    });
    return system.untilState(id, 'needs_attention');
  }
  async function podOf(fullName: string): Promise<Pod> {
    const { items } = await system.get<{ items: Pod[] }>('/api/pods');
    return items.find(({ repositoryId }) => repositoryId === system.repositoryId(fullName))!;
  }
  const reached = () => attempts.filter((each) => each.reached).map(({ name }) => name);

  it('tries everything, and its own way out is open', () => {
    expect(output).toContain('PROBES DONE');
    expect(attempts.length).toBeGreaterThanOrEqual(90);
    expect(new Set(attempts.map(({ name }) => name)).size).toBe(attempts.length);
    for (const allowed of [ALLOWED, OWN_REPOSITORY])
      expect(attempts.find(({ name }) => name === allowed)).toMatchObject({ reached: true });
  });

  if (isolation === 'off') {
    it('gets at what lies open, so that the probes prove something', () => {
      expect(reached()).toEqual(expect.arrayContaining(OPEN_WITHOUT_BOUNDARY));
    });
    it('gets nothing but its own repository from the git door, which asks for no boundary', () => {
      expect(reached().filter((name) => name.startsWith('git door:'))).toEqual([]);
    });
    it('is marked as not isolated', async () => {
      expect(await podOf('acme/app')).toMatchObject({ isolation: 'not_isolated' });
    });
    return;
  }

  it('is marked as isolated', async () => {
    expect(await podOf('acme/app')).toMatchObject({ isolation: 'isolated' });
  });

  it('reaches nothing else', () => {
    expect(attempts.filter(({ name, reached: got }) => got && ![ALLOWED, OWN_REPOSITORY].includes(name))).toEqual([]);
  });

  it('tells no canary but the one that it was let to', () => {
    const told = attempts.filter(({ words }) => holdsCanary(words)).map(({ name }) => name);
    expect(told).toEqual([ALLOWED]);
    expect(output.includes(system.forgeToken)).toBe(false);
  });

  it('leaves no mark outside by what it planted for Capstan’s git', async () => {
    await system.until(
      task.id,
      'its end',
      ({ state }) => ['completed', 'pr_opened', 'needs_attention'].includes(state),
      60_000,
    );
    expect(readdirSync(marks)).toEqual([]);
    expect(existsSync('/usr/local/bin/capstan-was-here')).toBe(false);
  });

  it('changes nothing in the data directory', () => {
    expect(readFileSync(join(system.dataDir, 'canary.txt'), 'utf8')).toMatch(/^CANARY-[0-9a-f]{24}\n$/);
  });

  it('is judged by its commits, whatever it printed', () => {
    expect(task.runs[0]!.outcome).toMatchObject({ kind: 'commits' });
  });

  it('leaves no process, whatever it cut itself loose from', async () => {
    await eventually(() => processesOf(DAEMON).length === 0, 10_000);
    expect(processesOf(DAEMON)).toEqual([]);
  });

  it('shows the person what it was kept from', async () => {
    const network = await system.get<{ hosts: { host: string; verdict: string }[] }>(
      `/api/runs/${task.runs[0]!.id}/network`,
    );
    expect(network.hosts).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ host: 'attacker.example', verdict: 'blocked' }),
        expect.objectContaining({ host: '127.0.0.1', verdict: 'allowed' }),
      ]),
    );
    const [pull] = await system.pullRequests(task.id);
    if (pull?.number === null || pull === undefined) throw new Error('its commits were not published');
    const { body } = await system.atForge<{ body: string }>(`/repos/acme/app/pulls/${pull.number}`);
    expect(body).toContain('`attacker.example`');
  });
});

function portOf(url: string): number {
  return Number(new URL(url).port);
}

/** Git's name of a file's content. */
function blobOf(content: string): string {
  return createHash('sha1')
    .update(`blob ${Buffer.byteLength(content)}\0${content}`)
    .digest('hex');
}
