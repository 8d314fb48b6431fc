import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LEASE_MS } from '@capstan/domain';
import { runStart } from '@capstan/events';
import { migrate, type Run, type RunLog } from '@capstan/database';
import { createRuntime, type Runtime } from '@capstan/runtimes';
import { Vault, openHost, type Host } from '@capstan/service-kit';
import { supervisorFile } from '@capstan/supervisor';
import { aPod, aRepository, aRun, eventually, ownNats, testDatabase, type OwnNats } from '@capstan/test-support';
import * as main from '../main.js';

let server: Awaited<ReturnType<typeof testDatabase>>;
let nats: OwnNats;
let directory: string;
let runtime: Runtime;
const hosts: Host[] = [];
const log: Record<string, unknown>[] = [];
const key = randomBytes(32).toString('base64');

beforeAll(async () => {
  server = await testDatabase({ migrate });
  nats = await ownNats();
  directory = mkdtempSync(join(tmpdir(), 'capstan-hand-over-'));
  runtime = createRuntime({ kind: 'local', directory: join(directory, 'pods'), supervisorFile: supervisorFile() });
  mkdirSync(join(directory, 'src'));
  const git = (...args: string[]) => execFileSync('git', args, { cwd: join(directory, 'src'), stdio: 'pipe' });
  git('init', '-q', '-b', 'main');
  writeFileSync(join(directory, 'src', 'a.txt'), 'one\n');
  git('add', '.');
  git('-c', 'user.name=s', '-c', 'user.email=s@s', 'commit', '-qm', 'one');
  execFileSync('git', ['clone', '-q', '--bare', 'src', 'repository.git'], { cwd: directory });
}, 30_000);
afterAll(async () => {
  await Promise.all(hosts.map((host) => host.close(5_000)));
  for (const { name } of await runtime.list({})) await runtime.delete(name);
  await nats.close();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
}, 30_000);

/** An agent runner in a host of its own, as in a cluster. */
async function aReplica(): Promise<Host> {
  const host = await openHost({
    env: {
      CAPSTAN_DATABASE_URL: server.url,
      CAPSTAN_NATS_URL: nats.url,
      CAPSTAN_ENCRYPTION_KEY: key,
      CAPSTAN_INTERNAL_PORT: '0',
      CAPSTAN_DATA_DIR: directory,
    },
    write: (line) => log.push(JSON.parse(line) as Record<string, unknown>),
  });
  hosts.push(host);
  await host.start(main);
  return host;
}

/** A run whose agent counts to 60, a line every 50 ms, as placement would have left it. */
async function aCountingRun({ database }: Host): Promise<Run> {
  const argv = ['sh', '-c', 'for i in $(seq 1 60); do echo "n $i"; sleep 0.05; done'];
  const repository = await aRepository(database, {
    cloneUrl: `file://${directory}/repository.git`,
    agent: { agent: 'command', argv } as never,
  });
  const { workspaceId } = repository;
  await database.transaction((tx) =>
    new Vault(database, key).put(tx, { workspaceId, repositoryId: null, name: 'GITHUB_TOKEN' }, 'throw-away'),
  );
  const pod = await aPod(database, repository);
  await runtime.create({ name: pod.name, labels: { spec: 'yes' } });
  const { run, task } = await aRun(database, repository, { pod, agent: repository.agent as never });
  await database.transaction((tx) => tx.emit(runStart, { workspaceId, taskId: task.id, runId: run.id }));
  return run;
}

describe('a runner that is asked to stop', () => {
  it('hands its runs over to another one at once; the agent notices nothing', async () => {
    const first = await aReplica();
    const run = await aCountingRun(first);
    const { database } = first;
    const read = async (): Promise<Run> => (await database.query<Run>('select * from run where id = $1', [run.id]))[0]!;
    await eventually(async () => (await read()).logSequence > 5, 20_000);
    const before = await read();
    const second = await aReplica();
    const readAtSecond = async (): Promise<Run> =>
      (await second.database.query<Run>('select * from run where id = $1', [run.id]))[0]!;

    const asked = performance.now();
    const closing = first.close();
    const ready = await fetch(`${first.internalUrl}/readyz`);
    expect(ready.status).toBe(503);
    await eventually(async () => (await readAtSecond()).epoch > before.epoch, 10_000);
    const handedOverMs = performance.now() - asked;
    await closing;
    process.stdout.write(`handed over ${Math.round(handedOverMs)} ms after the stop\n`);
    expect(handedOverMs).toBeLessThan(LEASE_MS);
    expect(log.find(({ message }) => message === 'leases were given back')).toMatchObject({ runs: 1 });

    await eventually(async () => (await readAtSecond()).state === 'finished', 20_000);
    const after = await readAtSecond();
    expect(after.process).toEqual(before.process);
    const lines = await second.database.query<RunLog>(
      `select * from run_log where run_id = $1 and kind = 'text' order by sequence`,
      [run.id],
    );
    expect(lines.map(({ text }) => text)).toEqual(Array.from({ length: 60 }, (_, index) => `n ${index + 1}`));
  }, 60_000);
});
