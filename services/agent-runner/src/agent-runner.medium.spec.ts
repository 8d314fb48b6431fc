import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agent } from '@capstan/agents';
import { noFaults, type FaultPort, type RunOutcome } from '@capstan/domain';
import {
  Database,
  MAX_ROW_ATTEMPTS,
  migrate,
  type Pod,
  type Repository,
  type Run,
  type RunLog,
} from '@capstan/database';
import { connectBroker, type Broker } from '@capstan/jetstream';
import { createRuntime, type Runtime } from '@capstan/runtimes';
import { Metrics, Vault, openLogger } from '@capstan/service-kit';
import { supervisorFile } from '@capstan/supervisor';
import { aPod, aRepository, aRun, eventually, testDatabase, testNats } from '@capstan/test-support';
import type { AgentRunnerConfig } from './agent-runner.config.js';
import { recordFinished } from './drive-run/drive-run.apply.js';
import type { DriverPorts } from './drive-run/driver-ports.js';
import { RunDriver } from './drive-run/run-driver.js';
import { StartGate } from './drive-run/start-gate.js';
import { failRun, leaseRuns, markStalled, releaseLeases, renewLeases } from './lease-run/lease-run.apply.js';
import { RunnerPool } from './lease-run/runner-pool.js';
import { LogWriter } from './write-log/log-writer.js';
import { writeLog } from './write-log/write-log.apply.js';

let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;
let broker: Broker;
let runtime: Runtime;
let vault: Vault;
let directory: string;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
  broker = await connectBroker({ ...testNats(), name: 'spec' });
  directory = mkdtempSync(join(tmpdir(), 'capstan-runner-'));
  runtime = createRuntime({ kind: 'local', directory: join(directory, 'pods'), supervisorFile: supervisorFile() });
  vault = new Vault(database, randomBytes(32).toString('base64'));
  mkdirSync(join(directory, 'src'));
  const git = (...args: string[]) => execFileSync('git', args, { cwd: join(directory, 'src'), stdio: 'pipe' });
  git('init', '-q', '-b', 'main');
  writeFileSync(join(directory, 'src', 'a.txt'), 'one\n');
  git('add', '.');
  git('-c', 'user.name=s', '-c', 'user.email=s@s', 'commit', '-qm', 'one');
  execFileSync('git', ['clone', '-q', '--bare', 'src', 'repository.git'], { cwd: directory });
});
afterAll(async () => {
  for (const { name } of await runtime.list({})) await runtime.delete(name);
  await broker.keeper.destroy();
  await broker.close();
  await database.close();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
}, 30_000);
beforeEach(() => database.query('truncate workspace, worker, outbox cascade'));

const lease = (owner: string, over: { limit?: number; runId?: string; takeOver?: boolean } = {}) =>
  leaseRuns(database, owner, { limit: 10, takeOver: false, ...over });
const lapse = (run: { id: string }) =>
  database.query(`update run set lease_expires_at = now() - interval '1 s' where id = $1`, [run.id]);
const readRun = async (run: { id: string }): Promise<Run> =>
  (await database.query<Run>('select * from run where id = $1', [run.id]))[0]!;
const linesOf = (run: { id: string }) =>
  database.query<RunLog>('select * from run_log where run_id = $1 order by sequence', [run.id]);
const aLine = (sequence: number) => ({
  sequence,
  at: new Date().toISOString(),
  kind: 'text' as const,
  text: `line ${sequence}`,
});
const aBatch = (from: number, to: number) => ({
  journalLine: to,
  logSequence: to,
  lines: Array.from({ length: to - from + 1 }, (_, index) => aLine(from + index)),
  parseState: null,
  session: null,
  usage: null,
});

async function aScene(
  argv: string[],
  over: Partial<Repository> = {},
): Promise<{ repository: Repository; run: Run; pod: Pod }> {
  const repository = await aRepository(database, {
    cloneUrl: `file://${directory}/repository.git`,
    agent: { agent: 'command', argv } as never,
    ...over,
  });
  await database.transaction((tx) =>
    vault.put(tx, { workspaceId: repository.workspaceId, repositoryId: null, name: 'GITHUB_TOKEN' }, 'throw-away'),
  );
  const pod = await aPod(database, repository);
  await runtime.create({ name: pod.name, labels: { spec: 'yes' } });
  const { run } = await aRun(database, repository, { pod, agent: repository.agent as never });
  return { repository, run, pod };
}

const ports = (over: Partial<DriverPorts> = {}): DriverPorts => ({
  database,
  broker,
  runtime,
  vault,
  author: 'Capstan <capstan@localhost>',
  podEnvironment: { PATH: '/usr/local/bin:/usr/bin:/bin' },
  egress: () => ({ url: 'http://127.0.0.1:4403', token: 'cap_run_spec' }),
  report: () => undefined,
  faults: noFaults,
  gate: new StartGate(8),
  ...over,
});

async function driverOf(
  owner: string,
  run: { id: string },
  over: Partial<DriverPorts> = {},
  takeOver = false,
): Promise<RunDriver> {
  const [leased] = await lease(owner, { runId: run.id, takeOver });
  return RunDriver.open(ports(over), leased!);
}

async function outcomeOf(run: { id: string }): Promise<RunOutcome> {
  return (await readRun(run)).outcome!;
}

/** A zombie that its new parent has not reaped yet is dead all the same. */
function isAlive(pid: number): boolean {
  const state = execFileSync('sh', ['-c', `ps -o stat= -p ${pid} || true`], { encoding: 'utf8' }).trim();
  return state !== '' && !state.startsWith('Z');
}

describe('leases', () => {
  it('give each run to one of many runners', async () => {
    const repository = await aRepository(database, { maxAgentsPerPod: 8 });
    const pod = await aPod(database, repository);
    for (let slot = 0; slot < 8; slot += 1) await aRun(database, repository, { pod, slot });
    const taken = (await Promise.all(['a', 'b', 'c'].map((owner) => lease(owner, { limit: 3 })))).flat();
    expect(taken).toHaveLength(8);
    expect(new Set(taken.map(({ id }) => id)).size).toBe(8);
    expect(taken.every(({ epoch, state }) => epoch === 1 && state === 'leased')).toBe(true);
  });

  it('wait for the pod, and leave parked runs to a person', async () => {
    const repository = await aRepository(database);
    const { run } = await aRun(database, repository, {
      pod: await aPod(database, repository, { state: 'provisioning' }),
    });
    expect(await lease('a')).toEqual([]);
    await database.query(`update pod set state = 'ready'`);
    await database.query('update run set parked_at = now()');
    expect(await lease('a')).toEqual([]);
    await database.query('update run set parked_at = null');
    expect(await lease('a')).toMatchObject([{ id: run.id }]);
  });

  it('are taken over when they ran out and only then, under a higher epoch', async () => {
    const { run } = await aRun(database, await aRepository(database));
    await lease('a');
    expect(await lease('b', { takeOver: true })).toEqual([]);
    await lapse(run);
    expect(await lease('b')).toEqual([]);
    expect(await lease('b', { takeOver: true })).toMatchObject([{ id: run.id, epoch: 2, owner: 'b' }]);
    expect(await renewLeases(database, 'a', [{ id: run.id, epoch: 1 }])).toEqual([]);
  });

  it('that ran out while nobody took them over are renewed', async () => {
    const { run } = await aRun(database, await aRepository(database));
    await lease('a');
    await lapse(run);
    expect(await renewLeases(database, 'a', [{ id: run.id, epoch: 1 }])).toMatchObject([
      { id: run.id, unwanted: false },
    ]);
    expect(await lease('b', { takeOver: true })).toEqual([]);
  });

  it('say when a run is no longer wanted, and are given back on leaving', async () => {
    const { run, task } = await aRun(database, await aRepository(database));
    await lease('a');
    await database.query(`update task set intent = 'cancel' where id = $1`, [task.id]);
    expect(await renewLeases(database, 'a', [{ id: run.id, epoch: 1 }])).toMatchObject([{ unwanted: true }]);
    await releaseLeases(database, 'a');
    expect(await lease('b', { takeOver: true })).toMatchObject([{ id: run.id, epoch: 2 }]);
  });

  it('of runs that their runner no longer drives lapse', async () => {
    const { run } = await aRun(database, await aRepository(database));
    await lease('a');
    await lapse(run);
    expect(await renewLeases(database, 'a', [])).toEqual([]);
    expect(await lease('b', { takeOver: true })).toMatchObject([{ id: run.id, epoch: 2 }]);
  });

  it('count failures to drive, wait in between, and park the run at the cap', async () => {
    const { run } = await aRun(database, await aRepository(database));
    const [leased] = await lease('a');
    expect(await failRun(database, leased!, 'broken')).toEqual({ parked: false });
    expect(await readRun(run)).toMatchObject({ attempts: 1, lastError: 'broken', owner: null });
    expect(await lease('b', { takeOver: true })).toEqual([]);
    await database.query('update run set not_before = null, attempts = $1', [MAX_ROW_ATTEMPTS - 1]);
    const [again] = await lease('b', { takeOver: true });
    expect(await failRun(database, leased!, 'late words of a former owner')).toEqual({ parked: false });
    expect(await failRun(database, again!, 'broken')).toEqual({ parked: true });
    expect(await lease('c', { takeOver: true })).toEqual([]);
  });

  it('mark a run that says nothing, once', async () => {
    const { run } = await aRun(database, await aRepository(database));
    await lease('a');
    await database.query(`update run set state = 'running', launched_at = now() - interval '11 minutes'`);
    expect(await markStalled(database, 'a')).toEqual([run.id]);
    expect(await markStalled(database, 'a')).toEqual([]);
  });
});

describe('fencing', () => {
  it('lets only the newest epoch write', async () => {
    const { run } = await aRun(database, await aRepository(database));
    const [old] = await lease('a');
    await lapse(run);
    const [young] = await lease('b', { takeOver: true });
    expect(await writeLog(database, old!, aBatch(1, 3))).toBe('fenced');
    expect(await recordFinished(database, old!, { kind: 'stopped', detail: 'x' })).toBe('fenced');
    expect(await linesOf(run)).toEqual([]);
    expect(await writeLog(database, young!, aBatch(1, 3))).toBe('applied');
    expect(await recordFinished(database, young!, { kind: 'stopped', detail: 'x' })).toBe('applied');
    expect(await writeLog(database, young!, aBatch(4, 4))).toBe('fenced');
    expect(await linesOf(run)).toHaveLength(3);
  });

  it('stores lines and position together, or neither', async () => {
    const { run } = await aRun(database, await aRepository(database));
    const [leased] = await lease('a');
    await writeLog(database, leased!, aBatch(1, 2));
    for (const [from, to] of [
      [2, 5],
      [4, 5],
      [1, 1],
    ] as const)
      await expect(writeLog(database, leased!, aBatch(from, to))).rejects.toMatchObject({ code: 'log_out_of_order' });
    expect(await readRun(run)).toMatchObject({ journalLine: 2, logSequence: 2 });
    expect(await linesOf(run)).toHaveLength(2);
  });

  it('stores a batch once that is sent again because nobody heard of its commit', async () => {
    const { run } = await aRun(database, await aRepository(database));
    const [leased] = await lease('a');
    for (const batch of [aBatch(1, 3), aBatch(1, 3), aBatch(4, 4), aBatch(4, 4)])
      expect(await writeLog(database, leased!, batch)).toBe('applied');
    expect((await linesOf(run)).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
    expect(await readRun(run)).toMatchObject({ journalLine: 4, logSequence: 4 });
  });
});

describe('a log', () => {
  it('stores a batch once whose first try is still under way when it is sent again', async () => {
    const { run } = await aRun(database, await aRepository(database));
    const [leased] = await lease('a');
    const again = await database.transaction(async (tx) => {
      await tx.query('update run set journal_line = 3, log_sequence = 3 where id = $1', [run.id]);
      for (const { sequence, at, kind, text } of aBatch(1, 3).lines)
        await tx.query(
          'insert into run_log (workspace_id, run_id, sequence, at, kind, text) values ($1,$2,$3,$4,$5,$6)',
          [run.workspaceId, run.id, sequence, at, kind, text],
        );
      const second = writeLog(database, leased!, aBatch(1, 3));
      await eventually(async () => (await database.query('select 1 from pg_locks where not granted')).length > 0);
      return { second };
    });
    expect(await again.second).toBe('applied');
    expect(await linesOf(run)).toHaveLength(3);
  });

  it('of very long lines is committed before more of it is read', async () => {
    const { run } = await aRun(database, await aRepository(database), {
      agent: { agent: 'command', argv: ['x'] } as never,
    });
    const [leased] = await lease('a');
    const signal = new AbortController().signal;
    const writer = new LogWriter({
      database,
      broker,
      agent: agent('command'),
      run: leased!,
      signal,
      faults: noFaults,
    });
    const at = new Date().toISOString();
    const text = 'x'.repeat(1_000_000);
    await writer.take(Array.from({ length: 10 }, (_, index) => ({ n: index + 1, at, kind: 'stdout' as const, text })));
    expect(await linesOf(run)).toHaveLength(10);
  });
});

describe('driving a run', () => {
  it('ends in commits, with every line once and in order', async () => {
    const { run } = await aScene([
      'sh',
      '-c',
      'cat > prompt.txt; for i in $(seq 1 500); do echo "n $i"; done; echo done > b.txt',
    ]);
    const driver = await driverOf('a', run);
    expect(await driver.drive()).toBe('finished');
    expect(await outcomeOf(run)).toMatchObject({ kind: 'commits', commitCount: 1 });
    const lines = await linesOf(run);
    expect(lines.map(({ sequence }) => sequence)).toEqual(lines.map((_, index) => index + 1));
    expect(lines.filter(({ kind }) => kind === 'text').map(({ text }) => text)).toEqual(
      Array.from({ length: 500 }, (_, index) => `n ${index + 1}`),
    );
    const events = await database.query<{ event: string }>(`select event from outbox where event = 'run.finished'`);
    expect(events).toHaveLength(1);
  });

  it('goes on where a runner that died stopped: the same agent, no line lost or doubled', async () => {
    const { run } = await aScene([
      'sh',
      '-c',
      'echo $$ > pid.txt; for i in $(seq 1 60); do echo "n $i"; sleep 0.02; done; git add -A; git commit -qm work',
    ]);
    const first = await driverOf('a', run);
    const driving = first.drive();
    await eventually(async () => (await linesOf(run)).length > 10);
    first.letGo();
    expect(await driving).toBe('let_go');
    const { process: before } = await readRun(run);
    await lapse(run);
    const second = await driverOf('b', run, {}, true);
    expect(await second.drive()).toBe('finished');
    expect((await readRun(run)).process).toEqual(before);
    const texts = (await linesOf(run)).filter(({ kind }) => kind === 'text').map(({ text }) => text);
    expect(texts).toEqual(Array.from({ length: 60 }, (_, index) => `n ${index + 1}`));
    expect(await outcomeOf(run)).toMatchObject({ kind: 'commits', commitCount: 1 });
  });

  it('starts an agent once, though the runner died between the launch and its record', async () => {
    const { run, pod } = await aScene(['sh', '-c', 'echo started >> starts.txt; sleep 0.5']);
    const died = new Error('power cut');
    const first = await driverOf('a', run, {
      faults: (point) => {
        if (point === 'launch.after') throw died;
      },
    });
    await expect(first.drive()).rejects.toBe(died);
    await lapse(run);
    const second = await driverOf('b', run, {}, true);
    expect(await second.drive()).toBe('finished');
    const file = join(runtime.root(pod.name), 'worktrees', `${run.taskId}-g1`, 'tree', 'starts.txt');
    expect(readFileSync(file, 'utf8')).toBe('started\n');
  });

  it('gives an agent its time by the database’s clock, however wrong its own is', async () => {
    const { run } = await aScene(['sh', '-c', 'sleep 0.5; echo done > b.txt']);
    const now = Date.now.bind(Date);
    const slow = jest.spyOn(Date, 'now').mockImplementation(() => now() - 2 * 3_600_000);
    try {
      expect(await (await driverOf('a', run)).drive()).toBe('finished');
    } finally {
      slow.mockRestore();
    }
    expect(await outcomeOf(run)).toMatchObject({ kind: 'commits' });
    const { deadlineAt, limits } = await readRun(run);
    const left = deadlineAt!.getTime() - Date.now();
    expect(Math.abs(left - limits.maxRunMinutes * 60_000)).toBeLessThan(60_000);
  });

  it('stops the agent and what it started, and is judged as stopped', async () => {
    const { run } = await aScene(['sh', '-c', 'trap "" INT TERM; setsid sleep 60 & echo $!; sleep 60']);
    const driver = await driverOf('a', run);
    const driving = driver.drive();
    const child = Number(
      await eventually(async () => (await linesOf(run)).find(({ kind }) => kind === 'text')?.text ?? false),
    );
    driver.stop();
    expect(await driving).toBe('finished');
    expect(await outcomeOf(run)).toMatchObject({ kind: 'stopped' });
    expect(isAlive(child)).toBe(false);
    // Two times the grace that an ending agent is given.
  }, 30_000);

  it.each([
    ['stops', (driver: RunDriver) => driver.stop(), 'finished', 'finished'],
    ['lets go of', (driver: RunDriver) => driver.letGo(), 'let_go', 'leased'],
  ] as const)('%s a run that waits for its turn to start, and no agent comes of it', async (_name, end, how, state) => {
    const { run, pod } = await aScene(['true']);
    let comesUp!: () => void;
    const turn = new Promise<void>((resolve) => (comesUp = resolve));
    const gate = new StartGate(1);
    void gate.pass(() => turn);
    const driver = await driverOf('a', run, { gate });
    const driving = driver.drive();
    await new Promise(setImmediate);
    end(driver);
    comesUp();
    expect(await driving).toBe(how);
    expect(await readRun(run)).toMatchObject({ state, launchedAt: null });
    expect(existsSync(join(runtime.root(pod.name), 'runs', run.id, 'process.json'))).toBe(false);
  });

  it.each([
    ['stops', (driver: RunDriver) => driver.stop(), 'finished'],
    ['lets go of', (driver: RunDriver) => driver.letGo(), 'let_go'],
  ] as const)('%s a run whose preparation hangs, and no agent comes of it', async (_name, end, how) => {
    let asked = 0;
    const silent = createServer(() => (asked += 1)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { run, pod } = await aScene(['true'], { cloneUrl: 'https://git.example/acme/repository.git' });
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const driver = await driverOf('a', run, { egress: () => ({ url, token: 'cap_run_spec' }) });
    const driving = driver.drive();
    await eventually(() => asked > 0);
    end(driver);
    expect(await driving).toBe(how);
    if (how === 'finished') expect(await outcomeOf(run)).toMatchObject({ kind: 'stopped' });
    // A stop leaves word that this run is never to be started; neither leaves a keeper or an agent.
    const directory = join(runtime.root(pod.name), 'runs', run.id);
    expect(existsSync(join(directory, 'exit.json'))).toBe(how === 'finished');
    expect(existsSync(join(directory, 'process.json'))).toBe(false);
    expect((await readRun(run)).launchedAt).toBeNull();
    silent.closeAllConnections();
    silent.close();
  });

  it('ends by name before anything starts when a credential is missing', async () => {
    const { run } = await aScene(['true'], { credentialSecret: 'NOT_SET' });
    expect(await (await driverOf('a', run)).drive()).toBe('finished');
    expect(await outcomeOf(run)).toMatchObject({
      kind: 'credential_refused',
      symptom: 'credential_missing',
      detail: expect.stringContaining('NOT_SET'),
    });
    expect((await readRun(run)).launchedAt).toBeNull();
  });

  it.each([
    ['a program that is not there', ['/no/such/agent'], { kind: 'failed', symptom: 'agent_not_found' }],
    ['an agent that fails', ['sh', '-c', 'echo broken >&2; exit 3'], { kind: 'failed', symptom: 'agent_exited' }],
    ['an agent that changes nothing', ['true'], { kind: 'no_changes', symptom: 'no_changes' }],
  ])('tells %s', async (_name, argv, expected) => {
    const { run } = await aScene(argv);
    await (await driverOf('a', run)).drive();
    expect(await outcomeOf(run)).toMatchObject(expected);
  });

  it('ends a run whose pod went away as lost, and one whose pod could not be made with the pod’s words', async () => {
    const gone = await aScene(['true']);
    await database.query(`update pod set deleted_at = now(), state = 'terminating' where id = $1`, [gone.pod.id]);
    await (await driverOf('a', gone.run)).drive();
    expect(await outcomeOf(gone.run)).toMatchObject({ kind: 'lost', symptom: 'pod_lost' });
    const broken = await aScene(['true']);
    await database.query(
      `update pod set state = 'error', problem = '{"code":"pod_failed","detail":"ErrImageNeverPull"}' where id = $1`,
      [broken.pod.id],
    );
    await (await driverOf('a', broken.run)).drive();
    expect(await outcomeOf(broken.run)).toMatchObject({
      kind: 'failed',
      symptom: 'pod_failed',
      detail: 'ErrImageNeverPull',
    });
  });
});

describe('a runner', () => {
  const aPool = (slots: number, faults: FaultPort = noFaults) =>
    new RunnerPool(
      database,
      broker,
      vault,
      runtime,
      {
        CAPSTAN_WORKER_SLOTS: slots,
        CAPSTAN_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
        CAPSTAN_EGRESS_URL: 'http://127.0.0.1:4403',
        CAPSTAN_STARTS_AT_ONCE: 8,
        CAPSTAN_COMMIT_AUTHOR: 'Capstan <capstan@localhost>',
      } as AgentRunnerConfig,
      openLogger({ format: 'json', level: 'fatal', secrets: [] }),
      faults,
      { service: 'agent-runner', instance: 'spec' },
      new Metrics(),
    );

  it('drives a run again whose driver failed, and has its place free meanwhile', async () => {
    const { run } = await aScene(['sh', '-c', 'echo done > b.txt']);
    let failures = 1;
    const pool = aPool(1, (point) => {
      if (point === 'finish.after' && failures-- > 0) throw new Error('a bug');
    });
    await pool.lease({ takeOver: false });
    expect(pool.free).toBe(0);
    await eventually(async () => (await readRun(run)).attempts === 1);
    await eventually(() => pool.free === 1);
    await pool.renew();
    expect(await readRun(run)).toMatchObject({ state: 'running', owner: null, lastError: 'a bug' });
    await database.query('update run set not_before = null');
    await pool.lease({ takeOver: true });
    await eventually(async () => (await readRun(run)).state === 'finished');
    expect(await outcomeOf(run)).toMatchObject({ kind: 'commits', commitCount: 1 });
    await eventually(() => pool.free === 1);
  });

  it('that takes over from itself goes on as one, and its place is free at the end', async () => {
    const { run } = await aScene(['sh', '-c', 'for i in $(seq 1 40); do echo "n $i"; sleep 0.02; done']);
    const pool = aPool(2);
    await pool.lease({ takeOver: false });
    await eventually(async () => (await linesOf(run)).length > 5);
    await lapse(run);
    await pool.lease({ takeOver: true });
    expect(await readRun(run)).toMatchObject({ epoch: 2 });
    await pool.renew();
    await eventually(async () => (await readRun(run)).state === 'finished');
    const texts = (await linesOf(run)).filter(({ kind }) => kind === 'text').map(({ text }) => text);
    expect(texts).toEqual(Array.from({ length: 40 }, (_, index) => `n ${index + 1}`));
    await eventually(() => pool.free === 2);
  });
});
