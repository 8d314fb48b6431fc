import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noFaults, type RunLimits } from '@capstan/domain';
import { Database, migrate, newId, type Repository, type Run, type RunCommand, type RunLog } from '@capstan/database';
import { connectBroker, type Broker } from '@capstan/jetstream';
import { createRuntime, type Runtime } from '@capstan/runtimes';
import { Metrics, Vault, openLogger } from '@capstan/service-kit';
import { supervisorFile } from '@capstan/supervisor';
import { aPod, aRepository, aRun, aTask, eventually, testDatabase, testNats } from '@capstan/test-support';
import type { AgentRunnerConfig } from '../agent-runner.config.js';
import { leaseRuns, markStalled } from '../lease-run/lease-run.apply.js';
import { RunnerPool } from '../lease-run/runner-pool.js';

/** Says what it hears, a line each; ends its work when it is told \`done\`. */
const LISTENER = `
  const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n');
  process.on('SIGINT', () => say({ type: 'text', text: 'SIGNAL' }));
  require('node:readline').createInterface({ input: process.stdin }).on('line', (raw) => {
    const line = JSON.parse(raw);
    if (line.type === 'prompt') return say({ type: 'text', text: 'prompted ' + (line.text.match(/Tell me: .*/) ?? [''])[0] });
    say({ type: 'text', text: line.type + ' ' + (line.text ?? '') });
    if (line.text === 'spend') say({ type: 'usage', costUsd: '0.75' });
    if (line.text === 'turn') say({ type: 'usage', turns: 4 });
    if (line.text === 'done') { require('node:fs').writeFileSync('told.txt', 'yes'); process.exit(0); }
  });`;

let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;
let broker: Broker;
let runtime: Runtime;
let vault: Vault;
let directory: string;
let pools: RunnerPool[] = [];

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
  broker = await connectBroker({ ...testNats(), name: 'spec' });
  directory = mkdtempSync(join(tmpdir(), 'capstan-control-'));
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
afterEach(async () => {
  for (const pool of pools) await pool.beforeApplicationShutdown();
  pools = [];
});
afterAll(async () => {
  for (const { name } of await runtime.list({})) await runtime.delete(name);
  await broker.keeper.destroy();
  await broker.close();
  await database.close();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => database.query('truncate workspace, worker, outbox cascade'));

const aPool = (instance = 'spec', egressUrl = 'http://127.0.0.1:4403') => {
  const pool = new RunnerPool(
    database,
    broker,
    vault,
    runtime,
    {
      CAPSTAN_WORKER_SLOTS: 5,
      CAPSTAN_STARTS_AT_ONCE: 8,
      CAPSTAN_COMMIT_AUTHOR: 'Capstan <capstan@localhost>',
      CAPSTAN_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      CAPSTAN_EGRESS_URL: egressUrl,
    } as AgentRunnerConfig,
    openLogger({ format: 'json', level: 'fatal', secrets: [] }),
    noFaults,
    { service: 'agent-runner', instance },
    new Metrics(),
  );
  pools.push(pool);
  return pool;
};

async function aScene(
  agent: Partial<Repository['agent']> & { readonly argv: readonly string[] },
  { limits, maxCostUsd, reason }: { limits?: Partial<RunLimits>; maxCostUsd?: number; reason?: 'message' } = {},
): Promise<{ repository: Repository; run: Run }> {
  const repository = await aRepository(database, {
    cloneUrl: `file://${directory}/repository.git`,
    agent: { agent: 'command', ...agent } as never,
  });
  await database.transaction((tx) =>
    vault.put(tx, { workspaceId: repository.workspaceId, repositoryId: null, name: 'GITHUB_TOKEN' }, 'throw-away'),
  );
  const pod = await aPod(database, repository);
  await runtime.create({ name: pod.name, labels: { spec: 'yes' } });
  const task = await aTask(database, repository, maxCostUsd === undefined ? {} : { limits: { maxCostUsd } });
  const all = { maxRunMinutes: 60, maxCostUsd: 10, maxTurns: 250, stallMinutes: 10, ...limits };
  const { run } = await aRun(database, repository, { pod, task, limits: all, ...(reason && { reason }) });
  return { repository, run };
}
const listening = { argv: ['node', '-e', LISTENER], output: 'ndjson', input: 'ndjson' } as const;

const readRun = async (run: { id: string }) =>
  (await database.query<Run>('select * from run where id = $1', [run.id]))[0]!;
const said = async (run: { id: string }) =>
  (
    await database.query<RunLog>(`select * from run_log where run_id = $1 and kind = 'text' order by sequence`, [
      run.id,
    ])
  ).map(({ text }) => text);
async function command(run: Run, kind: 'message' | 'interrupt', text: string | null = null): Promise<string> {
  const id = newId();
  await database.query(
    'insert into run_command (id, workspace_id, task_id, run_id, kind, text) values ($1,$2,$3,$4,$5,$6)',
    [id, run.workspaceId, run.taskId, run.id, kind, text],
  );
  return id;
}
const answerTo = async (id: string) =>
  (await database.query<RunCommand>('select * from run_command where id = $1', [id]))[0]!.answer;
/** Renews as the loop does each second. */
const renewing = async (pool: RunnerPool, until: () => Promise<boolean>) =>
  eventually(
    async () => {
      await pool.renew();
      return until();
    },
    20_000,
    100,
  );
const pause = (repository: Repository, paused: boolean) =>
  database.query('update workspace set paused_at = case when $2 then now() end where id = $1', [
    repository.workspaceId,
    paused,
  ]);

describe('what people say to an agent at work', () => {
  it('reaches it once and in order, by whichever runner', async () => {
    const { run } = await aScene(listening);
    const first = aPool('first');
    await first.lease({ takeOver: false });
    await eventually(async () => (await said(run)).length === 1, 20_000);
    const ids = [
      await command(run, 'message', 'one'),
      await command(run, 'interrupt'),
      await command(run, 'message', 'two'),
    ];
    await renewing(first, async () => (await answerTo(ids[2]!)) !== null);
    for (const id of ids) expect(await answerTo(id)).toEqual({ accepted: true });
    const woken = await database.query(`select payload from outbox where event = 'task.requested'`);
    expect(woken).toHaveLength(3);
    // What was said and not written down is asked of the supervisor again: the agent hears nothing twice.
    await database.query('update run_command set answered_at = null, answer = null');
    await first.beforeApplicationShutdown();
    const second = aPool('second');
    await second.lease({ takeOver: true });
    const done = await command(run, 'message', 'done');
    await renewing(second, async () => (await readRun(run)).state === 'finished');
    expect(await said(run)).toEqual(['prompted ', 'message one', 'interrupt ', 'message two', 'message done']);
    for (const id of [...ids, done]) expect(await answerTo(id)).toEqual({ accepted: true });
    expect((await readRun(run)).outcome).toMatchObject({ kind: 'commits' });
  }, 60_000);

  it('is refused for an agent that does not listen, which is left alone', async () => {
    const { run } = await aScene({
      argv: ['sh', '-c', 'trap "echo SIGNAL" INT; echo up; while ! [ -e go ]; do sleep 0.05; done'],
    });
    const pool = aPool();
    await pool.lease({ takeOver: false });
    await eventually(async () => (await said(run)).length === 1, 20_000);
    const ids = [await command(run, 'message', 'hello'), await command(run, 'interrupt')];
    await renewing(pool, async () => (await answerTo(ids[1]!)) !== null);
    for (const id of ids) expect(await answerTo(id)).toEqual({ accepted: false, refusal: 'unsupported' });
    expect(await readRun(run)).toMatchObject({ state: 'running' });
    expect(await said(run)).toEqual(['up']);
    await database.query(`update task set intent = 'cancel', intent_at = now()`);
    await renewing(pool, async () => (await readRun(run)).state === 'finished');
  }, 60_000);

  it('is settled before the run is judged, and what came too late says so', async () => {
    const { run } = await aScene(listening);
    const pool = aPool();
    await pool.lease({ takeOver: false });
    await eventually(async () => (await said(run)).length === 1, 20_000);
    await command(run, 'message', 'done');
    const late = await command(run, 'message', 'too late');
    await renewing(pool, async () => (await readRun(run)).state === 'finished');
    expect(await answerTo(late)).toMatchObject({ accepted: expect.any(Boolean) as boolean });
    const open = await database.query('select id from run_command where answered_at is null');
    expect(open).toEqual([]);
  }, 60_000);

  it('is in the prompt of the run that it was given to', async () => {
    const { run } = await aScene(listening, { reason: 'message' });
    await database.query(
      `insert into task_request (id, workspace_id, task_id, kind, arguments, actor, answered_at, answer, given_run_id)
       values ($1, $2, $3, 'message', '{"text":"Tell me: all of it"}', '{"kind":"user","id":"ada"}', now(), '{"applied":true}', $4)`,
      [newId(), run.workspaceId, run.taskId, run.id],
    );
    const pool = aPool();
    await pool.lease({ takeOver: false });
    await eventually(async () => (await said(run)).length === 1, 20_000);
    expect(await said(run)).toEqual(['prompted Tell me: all of it']);
    await command(run, 'message', 'done');
    await renewing(pool, async () => (await readRun(run)).state === 'finished');
  }, 60_000);
});

describe('limits', () => {
  it('end a run whose task has cost as much as it may, over all its runs, and keep the work', async () => {
    const { run } = await aScene(listening, { maxCostUsd: 1 });
    await database.query(
      `insert into run (id, workspace_id, repository_id, task_id, number, generation, reason, state, pod_id, slot, agent, limits, branch, base_branch, outcome, cost_usd)
       select $2, workspace_id, repository_id, task_id, 9, 1, 'initial', 'finished', pod_id, 7, agent, limits, branch, base_branch, '{"kind":"failed","detail":"x"}', 0.3
         from run where id = $1`,
      [run.id, newId()],
    );
    const pool = aPool();
    await pool.lease({ takeOver: false });
    await eventually(async () => (await said(run)).length === 1, 20_000);
    await pool.renew();
    expect(await readRun(run)).toMatchObject({ state: 'running' });
    await command(run, 'message', 'spend');
    await renewing(pool, async () => (await readRun(run)).state === 'finished');
    expect((await readRun(run)).outcome).toMatchObject({
      kind: 'limit_reached',
      symptom: 'cost_limit',
      detail: 'The task has cost $1.05 of $1.00',
    });
  }, 60_000);

  it('end a run that takes more turns than it may', async () => {
    const { run } = await aScene(listening, { limits: { maxTurns: 3 } });
    const pool = aPool();
    await pool.lease({ takeOver: false });
    await eventually(async () => (await said(run)).length === 1, 20_000);
    await command(run, 'message', 'turn');
    await renewing(pool, async () => (await readRun(run)).state === 'finished');
    expect((await readRun(run)).outcome).toMatchObject({
      kind: 'limit_reached',
      symptom: 'turn_limit',
      detail: 'The run took more than 3 turns',
    });
  }, 60_000);

  it('end a run at its deadline with no runner there, which whoever comes next finds', async () => {
    const { run } = await aScene(
      { argv: ['sh', '-c', 'echo work > w.txt; sleep 600'] },
      { limits: { maxRunMinutes: 0.04 } },
    );
    const pool = aPool();
    await pool.lease({ takeOver: false });
    await eventually(async () => (await readRun(run)).state === 'running', 20_000);
    await pool.beforeApplicationShutdown();
    const { process } = await readRun(run);
    await eventually(() => !isAlive(process!.pid), 20_000, 50);
    const next = aPool('next');
    await next.lease({ takeOver: true });
    await eventually(async () => (await readRun(run)).state === 'finished', 20_000);
    expect((await readRun(run)).outcome).toMatchObject({
      kind: 'limit_reached',
      symptom: 'run_time_limit',
      commitCount: 1,
    });
  }, 60_000);

  it('mark a silent run as stalled, until it says something', async () => {
    // Three seconds: what comes after it has spoken again is done well within them, on a busy machine too.
    const { run } = await aScene(listening, { limits: { stallMinutes: 0.05 } });
    const pool = aPool();
    await pool.lease({ takeOver: false });
    await eventually(async () => (await said(run)).length === 1, 20_000);
    await eventually(async () => (await markStalled(database, 'spec')).length === 1);
    expect((await readRun(run)).stalledAt).not.toBeNull();
    expect(await markStalled(database, 'spec')).toEqual([]);
    await database.query('delete from outbox');
    await command(run, 'message', 'done');
    await renewing(pool, async () => (await readRun(run)).state === 'finished');
    expect(await said(run)).toHaveLength(2);
    await database.query(`update run set state = 'running', outcome = null, owner = 'spec'`);
    expect(await markStalled(database, 'spec')).toEqual([]);
    expect((await readRun(run)).stalledAt).toBeNull();
    expect(await database.query(`select 1 from outbox where event = 'run.changed'`)).not.toEqual([]);
    await database.query(`update run set state = 'finished', outcome = '{"kind":"lost","detail":"x"}'`);
  }, 60_000);
});

describe('an agent that speaks Claude Code’s language', () => {
  /** In the CLI's stead, on PATH: says its session, then does what the script says; its stdin never ends by itself. */
  async function aClaude(script: string): Promise<{ run: Run; pool: RunnerPool }> {
    const bin = mkdtempSync(join(directory, 'bin-'));
    writeFileSync(join(bin, 'claude'), `#!/usr/bin/env node\n${CLAUDE}\n${script}`, { mode: 0o755 });
    const { repository, run } = await aScene({
      agent: 'claude-code',
      env: { PATH: `${bin}:${process.env['PATH']}` },
    } as never);
    await database.transaction((tx) =>
      vault.put(tx, { workspaceId: repository.workspaceId, repositoryId: null, name: 'ANTHROPIC_API_KEY' }, 'key'),
    );
    const pool = aPool();
    await pool.lease({ takeOver: false });
    return { run, pool };
  }
  const CLAUDE = `
    const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n');
    const init = () => say({ type: 'system', subtype: 'init', session_id: 's-1', model: 'm' });
    const result = (n) => say({ type: 'result', subtype: 'success', is_error: false, result: 'done', result_index: n, queued_turn_count: 0 });
    const text = (text) => say({ type: 'assistant', message: { id: text, content: [{ type: 'text', text }] } });
    const { readFileSync, writeFileSync } = require('node:fs');
    const lines = require('node:readline').createInterface({ input: process.stdin });`;

  it('is let go when it has done its work, and only then', async () => {
    const { run, pool } = await aClaude(`
      let n = 0;
      lines.on('line', () => { init(); text('did ' + n); writeFileSync('w' + n, ''); result(n++); });
      lines.on('close', () => { text('bye'); process.exit(0); });`);
    await renewing(pool, async () => (await readRun(run)).state === 'finished');
    expect(await said(run)).toEqual(['did 0', 'bye']);
    expect(await readRun(run)).toMatchObject({ session: 's-1', outcome: { kind: 'commits' } });
  }, 60_000);

  it('hears what came while it worked before it is let go', async () => {
    const { run, pool } = await aClaude(`
      let heard = 0;
      lines.on('line', (line) => {
        const n = heard++;
        init();
        text(n === 0 ? 'begun' : 'told ' + JSON.parse(line).message.content[0].text);
        setTimeout(() => result(n), n === 0 ? 2000 : 0);
      });
      lines.on('close', () => process.exit(0));`);
    await eventually(async () => (await said(run)).length === 1, 20_000);
    const id = await command(run, 'message', 'and the changelog');
    await renewing(pool, async () => (await readRun(run)).state === 'finished');
    expect(await said(run)).toEqual(['begun', 'told and the changelog']);
    expect(await answerTo(id)).toMatchObject({ accepted: true });
  }, 60_000);

  it('is ended at the first word that its credential was refused', async () => {
    const { run, pool } = await aClaude(`
      init();
      say({ type: 'system', subtype: 'api_retry', attempt: 1, max_retries: 10, error_status: 401, error: 'authentication_failed' });
      setTimeout(() => undefined, 600000);`);
    await renewing(pool, async () => (await readRun(run)).state === 'finished');
    expect((await readRun(run)).outcome).toMatchObject({
      kind: 'credential_refused',
      symptom: 'agent_credential_refused',
    });
  }, 60_000);
});

describe('a pause', () => {
  it('keeps placed runs from being leased, unless somebody has to end them', async () => {
    const { repository, run } = await aScene({ argv: ['true'] });
    await pause(repository, true);
    expect(await leaseRuns(database, 'a', { limit: 1, takeOver: true })).toEqual([]);
    await database.query(`update task set intent = 'cancel', intent_at = now() where id = $1`, [run.taskId]);
    expect(await leaseRuns(database, 'a', { limit: 1, takeOver: true })).toHaveLength(1);
  });

  it('gives back a run whose agent was not started yet, and leaves one at work alone', async () => {
    const { repository, run } = await aScene({ argv: ['sh', '-c', 'echo up; touch a; sleep 0.3'] });
    await leaseRuns(database, 'dead', { limit: 1, takeOver: false });
    await pause(repository, true);
    await database.query(`update run set lease_expires_at = now() - interval '1 s'`);
    const pool = aPool();
    await pool.lease({ takeOver: true });
    await eventually(async () => (await readRun(run)).state === 'placed', 20_000);
    expect(await readRun(run)).toMatchObject({ owner: null, launchedAt: null });
    await pool.lease({ takeOver: true });
    expect(await readRun(run)).toMatchObject({ state: 'placed' });
    await pause(repository, false);
    await pool.lease({ takeOver: true });
    await eventually(async () => (await said(run)).length === 1, 20_000);
    await pause(repository, true);
    await renewing(pool, async () => (await readRun(run)).state === 'finished');
    expect((await readRun(run)).outcome).toMatchObject({ kind: 'commits' });
  }, 60_000);
});

it('a pause that comes while a worktree is being prepared starts no agent, and the run goes on behind it', async () => {
  const { repository, run } = await aScene({ argv: ['sh', '-c', 'echo up; touch a'] });
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const asked = once(silent, 'request');
  const { port } = silent.address() as AddressInfo;
  await database.query('update repository set clone_url = $1', ['https://git.example/acme/repository.git']);
  const pool = aPool('spec', `http://127.0.0.1:${port}`);
  await pool.lease({ takeOver: false });
  await asked;
  await pause(repository, true);
  await renewing(pool, async () => (await readRun(run)).state === 'placed');
  expect(await readRun(run)).toMatchObject({ owner: null, launchedAt: null });
  await database.query('update repository set clone_url = $1', [`file://${directory}/repository.git`]);
  await pause(repository, false);
  await pool.lease({ takeOver: false });
  await renewing(pool, async () => (await readRun(run)).state === 'finished');
  expect((await readRun(run)).outcome).toMatchObject({ kind: 'commits' });
  expect(await said(run)).toEqual(['up']);
  silent.closeAllConnections();
  silent.close();
}, 60_000);

function isAlive(pid: number): boolean {
  const state = execFileSync('sh', ['-c', `ps -o stat= -p ${pid} || true`], { encoding: 'utf8' }).trim();
  return state !== '' && !state.startsWith('Z');
}
