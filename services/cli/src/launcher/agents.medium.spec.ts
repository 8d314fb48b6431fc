import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalRuntime, SupervisorClient } from '@capstan/runtimes';
import { eventually } from '@capstan/test-support';
import { identify, isAlive } from '../servers/process-identity.js';
import { findAgents, stopAgents } from './agents.js';

const supervisorDir = join(import.meta.dirname, '../../../../libs/supervisor');
const supervisorFile = join(supervisorDir, 'dist/supervisor.mjs');

describe('agents of this machine', () => {
  const pods = mkdtempSync(join(tmpdir(), 'capstan-agents-'));
  const runtime = new LocalRuntime({ directory: pods, supervisorFile });

  beforeAll(() => {
    execFileSync(process.execPath, [join(supervisorDir, 'build.mjs')]);
  });
  afterAll(() => rmSync(pods, { recursive: true, force: true }));

  const launch = async (pod: string, script: string) => {
    await runtime.create({ name: pod, labels: {} });
    const runId = randomUUID();
    const answer = await new SupervisorClient(runtime, pod).launch(runId, {
      epoch: 3,
      argv: ['/bin/sh', '-c', script],
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      cwd: runtime.root(pod),
      deadlineAt: Date.now() + 600_000,
      maxJournalBytes: 1_000_000,
      graceMs: 200,
    });
    return { runId, pod, process: identify(answer.process.pid)! };
  };

  it('finds none where nothing ever ran', async () => {
    expect(await findAgents(join(pods, 'missing'), supervisorFile)).toEqual([]);
    expect(await stopAgents(join(pods, 'missing'), supervisorFile)).toEqual({ stopped: 0, failures: [] });
  });

  it('stops those that run, of every pod, and leaves what has ended alone', async () => {
    const running = [
      await launch('pod-a', 'sleep 300'),
      await launch('pod-b', 'trap "" INT TERM; sleep 300; sleep 300'),
    ];
    const ended = await launch('pod-b', 'exit 3');
    const endedClient = new SupervisorClient(runtime, ended.pod);
    await eventually(async () => (await endedClient.status(ended.runId)).state === 'exited');
    const found = await findAgents(pods, supervisorFile);
    const names = (runs: readonly { pod: string; runId: string }[]) =>
      runs.map(({ pod, runId }) => `${pod} ${runId}`).sort();
    expect(names(found)).toEqual(names(running));
    expect(await stopAgents(pods, supervisorFile)).toEqual({ stopped: 2, failures: [] });
    for (const each of running) {
      expect(isAlive(each.process)).toBe(false);
      const status = await new SupervisorClient(runtime, each.pod).status(each.runId);
      expect(status).toMatchObject({ state: 'exited', exit: { ended: 'stopped' } });
    }
    expect(await endedClient.status(ended.runId)).toMatchObject({ state: 'exited', exit: { code: 3 } });
    expect(await findAgents(pods, supervisorFile)).toEqual([]);
  }, 60_000);
});
