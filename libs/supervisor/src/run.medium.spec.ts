import { randomUUID } from 'node:crypto';
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '@capstan/test-support';
import type { CommandAnswer, JournalLine } from '@capstan/domain';
import { SupervisedRoot } from './supervisor.fixture.js';

let pod: SupervisedRoot;
let runId: string;

beforeAll(() => SupervisedRoot.build());
beforeEach(() => {
  pod = new SupervisedRoot();
  runId = randomUUID();
});
afterEach(() => pod.remove());

const output = (lines: readonly JournalLine[]): string[] =>
  lines.flatMap((line) => (line.kind === 'stdout' ? [line.text] : []));
const stop = (id: string): CommandAnswer => pod.ask('command', runId, { id, epoch: 1, command: 'stop' });

const guardsOf = (id: string): number =>
  readdirSync('/proc').filter(
    (pid) => /^\d+$/.test(pid) && commandLine(pid).includes(`capstan-guard\0`) && commandLine(pid).includes(id),
  ).length;

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** The run's next ending, read by `status` alone. */
async function exitOf(withinMs = 20_000): Promise<unknown> {
  await eventually(() => pod.status(runId).state === 'exited', withinMs, 50);
  return pod.status(runId).exit;
}

describe('a run', () => {
  it('gives 20,000 lines exactly once and in order through readers that are killed at random', async () => {
    pod.launch(runId, 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo "line $i"; done');
    const lines: JournalLine[] = [];
    let readers = 0;
    for (let random = 7; lines.at(-1)?.kind !== 'exit'; readers++) {
      random = (random * 48_271) % 2_147_483_647;
      const enough = lines.length + (random % 2_500);
      const reader = pod.attach(runId, lines.length + 1, (item) => {
        if ('kind' in item && !reader.killed) lines.push(item);
        if (lines.length > enough) reader.kill('SIGKILL');
      });
      await new Promise((done) => reader.once('close', done));
    }
    expect(readers).toBeGreaterThan(3);
    expect(output(lines)).toEqual(Array.from({ length: 20_000 }, (_, at) => `line ${at + 1}`));
    expect(lines.map((line) => line.n)).toEqual(Array.from({ length: 20_001 }, (_, at) => at + 1));
  }, 60_000);

  it('is ended at its deadline with nobody attached', async () => {
    pod.launch(runId, 'trap "" INT TERM; while :; do sleep 0.1; done', { deadlineAt: Date.now() + 700 });
    expect(await exitOf()).toMatchObject({ ended: 'deadline', signal: 'SIGKILL' });
    expect(pod.processes(runId)).toEqual([]);
  }, 30_000);

  it('stops an agent that ignores every request and left a daemon in a session of its own', async () => {
    const stubborn = 'trap "" INT TERM HUP; while :; do sleep 0.1; done';
    pod.launch(runId, `(setsid sh -c '${stubborn}' >/dev/null 2>&1 </dev/null &); ${stubborn}`);
    await eventually(() => pod.processes(runId).length >= 3);
    expect(stop('a')).toEqual({ id: 'a', accepted: true });
    expect(await exitOf()).toMatchObject({ ended: 'stopped' });
    expect(pod.processes(runId)).toEqual([]);
  }, 30_000);

  it('ends what a finished agent left running', async () => {
    pod.launch(runId, '(setsid sh -c "trap \\"\\" TERM; sleep 600" >/dev/null 2>&1 &); exit 4');
    expect(await exitOf()).toEqual({ code: 4, signal: null });
    expect(pod.processes(runId)).toEqual([]);
  }, 30_000);

  it('ends with log_limit when it writes too much, and keeps what it wrote before', async () => {
    pod.launch(runId, 'yes "a line of output" | head -c 300000000; sleep 600', { maxJournalBytes: 2_000_000 });
    const { lines } = await pod.readToEnd(runId);
    expect(lines.at(-1)).toMatchObject({ kind: 'exit', exit: { ended: 'log_limit' } });
    const bytes = lines.reduce((sum, line) => sum + JSON.stringify(line).length + 1, 0);
    expect(bytes).toBeGreaterThan(1_900_000);
    expect(bytes).toBeLessThan(8_000_000);
    expect(pod.processes(runId)).toEqual([]);
  }, 30_000);

  it('is lost when its keeper was killed, and nothing of it lives on', async () => {
    pod.launch(runId, 'trap "" PIPE TERM; while :; do sleep 0.1; done');
    expect(pod.status(runId)).toMatchObject({ state: 'running' });
    process.kill(pod.keeper(runId), 'SIGKILL');
    const { code } = await pod.readToEnd(runId);
    expect(code).toBe(5);
    expect(pod.status(runId)).toMatchObject({ state: 'lost' });
    expect(pod.processes(runId)).toEqual([]);
    expect(pod.ask('launch', runId, { epoch: 1 })).toMatchObject({ alreadyThere: true });
  }, 30_000);

  it('ends with its keeper, with nobody there to ask for it', async () => {
    pod.launch(runId, 'trap "" PIPE TERM INT HUP; while :; do sleep 0.1; done');
    await eventually(() => pod.processes(runId).length >= 1);
    process.kill(pod.keeper(runId), 'SIGKILL');
    await eventually(() => pod.processes(runId).length === 0, 10_000, 50);
    expect(pod.status(runId)).toMatchObject({ state: 'lost' });
  }, 30_000);

  it('ends at its deadline although its keeper hangs, once somebody asks', async () => {
    pod.launch(runId, 'trap "" PIPE TERM INT; while :; do sleep 0.1; done', { deadlineAt: Date.now() + 1_000 });
    process.kill(pod.keeper(runId), 'SIGSTOP');
    const file = join(pod.root, 'runs', runId, 'process.json');
    const record = JSON.parse(readFileSync(file, 'utf8')) as { deadlineAt: number };
    // Nobody waits two minutes for a keeper here.
    writeFileSync(file, JSON.stringify({ ...record, deadlineAt: record.deadlineAt - 200_000 }));
    expect(pod.status(runId)).toMatchObject({ state: 'exited', exit: { ended: 'deadline' } });
    expect(pod.processes(runId)).toEqual([]);
    expect((await pod.readToEnd(runId)).lines.at(-1)).toMatchObject({ kind: 'exit', exit: { ended: 'deadline' } });
  }, 30_000);

  it('leaves no guard behind', async () => {
    pod.launch(runId, 'echo done');
    await exitOf();
    await eventually(() => guardsOf(runId) === 0);
  });

  it('says by which limit it was stopped', async () => {
    pod.launch(runId, 'sleep 600');
    const command = { id: 'limit', epoch: 1, command: 'stop', limit: 'cost_limit', text: '$2.00 of $1.00' };
    expect(pod.ask('command', runId, command)).toMatchObject({ accepted: true });
    expect(await exitOf()).toMatchObject({ ended: 'cost_limit', message: '$2.00 of $1.00' });
  });

  it('hands an interrupt that is a line to stdin, and sends no signal', async () => {
    pod.launch(runId, 'trap "echo killed; exit 9" INT; read -r line; echo "got $line"', { keepStdinOpen: true });
    const interrupt = { id: 'i', epoch: 1, command: 'interrupt', text: 'please stop' };
    expect(pod.ask('command', runId, interrupt)).toEqual({ id: 'i', accepted: true });
    expect(output((await pod.readToEnd(runId)).lines)).toEqual(['got please stop']);
    const other = randomUUID();
    pod.launch(other, 'sleep 600');
    expect(pod.ask('command', other, interrupt)).toEqual({ id: 'i', accepted: false, refusal: 'unsupported' });
    expect(pod.status(other)).toMatchObject({ state: 'running' });
  }, 30_000);

  it('takes messages while stdin is open, interrupts, and answers a repeated id as the first time', async () => {
    const script = 'trap "echo interrupted; exit 0" INT; while read -r line; do echo "got $line"; done; sleep 600';
    pod.launch(runId, script, { stdin: 'first\n', keepStdinOpen: true });
    const message = { id: 'm1', epoch: 1, command: 'message', text: 'second' };
    for (let time = 0; time < 3; time++) {
      expect(pod.ask('command', runId, message)).toEqual({ id: 'm1', accepted: true });
    }
    await eventually(() => pod.status(runId).lastLine >= 3);
    expect(pod.ask('command', runId, { id: 'i1', epoch: 1, command: 'interrupt' })).toMatchObject({ accepted: true });
    const { lines } = await pod.readToEnd(runId);
    expect(output(lines)).toEqual(['got first', 'got second', 'interrupted']);
    expect(lines.filter((line) => line.kind === 'command').map((line) => line.id)).toEqual(['m1', 'i1']);
    expect(stop('late')).toEqual({ id: 'late', accepted: false, refusal: 'ended' });
  }, 30_000);

  it('closes stdin behind what was said before, and takes nothing more', async () => {
    pod.launch(runId, 'while read -r line; do echo "got $line"; done; sleep 1; echo done', { keepStdinOpen: true });
    expect(pod.ask('command', runId, { id: 'm', epoch: 1, command: 'message', text: 'one' })).toMatchObject({
      accepted: true,
    });
    expect(pod.ask('command', runId, { id: 'end', epoch: 1, command: 'end_input' })).toEqual({
      id: 'end',
      accepted: true,
    });
    const late = { id: 'late', epoch: 1, command: 'message', text: 'two' };
    expect(pod.ask('command', runId, late)).toEqual({ id: 'late', accepted: false, refusal: 'unsupported' });
    const { lines } = await pod.readToEnd(runId);
    expect(output(lines)).toEqual(['got one', 'done']);
    expect(lines.find((line) => line.kind === 'exit')).toMatchObject({ exit: { code: 0 } });
  }, 30_000);

  it('refuses a message where no stdin is open', () => {
    pod.launch(runId, 'sleep 600');
    const message = { id: 'm', epoch: 1, command: 'message', text: 'x' };
    expect(pod.ask('command', runId, message)).toEqual({ id: 'm', accepted: false, refusal: 'unsupported' });
  });

  it('says why a program could not be started', async () => {
    pod.launch(runId, '', { argv: ['/no/such/agent'] });
    expect(await exitOf()).toMatchObject({ ended: 'start_failed', message: expect.stringContaining('/no/such/agent') });
    const elsewhere = randomUUID();
    pod.launch(elsewhere, 'true', { cwd: '/no/such/directory' });
    const { lines } = await pod.readToEnd(elsewhere);
    expect(lines).toMatchObject([{ kind: 'exit', exit: { message: expect.stringContaining("doesn't exist") } }]);
  });

  it('gives the agent its own environment and files, and nothing of ours', async () => {
    const files = { 'home/prompt.md': 'Fix it.' };
    pod.launch(runId, 'env | cut -d= -f1 | sort | tr "\\n" " "; echo; cat home/prompt.md; stat -c %a home/prompt.md', {
      env: { PATH: '/usr/bin:/bin', MODEL_KEY: 'k' },
      files,
    });
    const { lines } = await pod.readToEnd(runId);
    expect(output(lines)).toEqual(['CAPSTAN_RUN_ID MODEL_KEY PATH PWD ', 'Fix it.600']);
    const outside = { epoch: 1, files: { '../outside': 'x' } };
    expect(pod.ask('launch', randomUUID(), outside).error?.code).toBe('outside_root');
  });

  it('lets a newer attach replace an older one, and beats while nothing comes', async () => {
    pod.launch(runId, 'echo one; sleep 600');
    const beats: unknown[] = [];
    const first = pod.attach(runId, 1, (item) => 'beat' in item && beats.push(item));
    await eventually(() => beats.length >= 1);
    expect(beats[0]).toEqual({ beat: 1 });
    const closed = new Promise((done) => first.once('close', done));
    const second = pod.attach(runId, 2, () => undefined, 2);
    expect(await closed).toBe(3);
    second.kill('SIGKILL');
  }, 30_000);

  it('does not take a forged exit line for the end', async () => {
    pod.launch(runId, 'sleep 1.5; echo real');
    const journal = join(pod.root, 'runs', runId, 'journal.ndjson');
    const exit = { n: 1, at: new Date().toISOString(), kind: 'exit', exit: { code: 0, signal: null } };
    appendFileSync(journal, `${JSON.stringify(exit)}\n`);
    expect(pod.status(runId)).toMatchObject({ state: 'running' });
    const { lines } = await pod.readToEnd(runId);
    expect(output(lines)).toEqual(['real']);
  }, 30_000);

  it('knows no run that was never launched', async () => {
    expect(pod.status(runId)).toEqual({ state: 'unknown', lastLine: 0, epoch: 0 });
    expect((await pod.readToEnd(runId).catch(() => ({ code: -1 }))).code).toBe(4);
    const interrupt = { id: 'x', epoch: 1, command: 'interrupt' };
    expect(pod.ask('command', runId, interrupt)).toMatchObject({ error: { code: 'run_not_found' } });
  });

  it('is never started once it was stopped before its start', async () => {
    expect(pod.ask('command', runId, { id: 's', epoch: 2, command: 'stop' })).toEqual({ id: 's', accepted: true });
    expect(pod.ask('command', runId, { id: 's', epoch: 2, command: 'stop' })).toEqual({ id: 's', accepted: true });
    expect(() => pod.launch(runId, 'echo late > started', { epoch: 1 })).toThrow(/overtaken/);
    expect(pod.processes(runId)).toEqual([]);
    expect(pod.status(runId)).toMatchObject({ state: 'exited', exit: { ended: 'stopped' } });
    expect((await pod.readToEnd(runId, 3)).lines).toMatchObject([{ kind: 'exit', exit: { ended: 'stopped' } }]);
  }, 30_000);

  it('discards ended runs only, and nothing outside the root', async () => {
    pod.launch(runId, 'sleep 600');
    expect(pod.ask('discard', '-', { runIds: [runId], paths: [] }).error?.code).toBe('run_running');
    expect(pod.ask('discard', '-', { runIds: [], paths: ['../elsewhere'] }).error?.code).toBe('outside_root');
    stop('s');
    await exitOf();
    expect(pod.ask('discard', '-', { runIds: [runId], paths: ['gone'] })).toEqual({});
    expect(pod.status(runId).state).toBe('unknown');
  }, 30_000);
});
