import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { join } from 'node:path';
import type { Boundary, CommandAnswer, JournalLine, LaunchRequest } from '@capstan/domain';
import { ROOT, bubblewrap, eventually } from '@capstan/test-support';
import { SupervisedRoot } from './supervisor.fixture.js';

let pod: SupervisedRoot;
let runId: string;
let task: string;
let bwrap: string;
const servers: Server[] = [];

beforeAll(() => {
  SupervisedRoot.build();
  bwrap = bubblewrap();
}, 120_000);
beforeEach(() => {
  pod = new SupervisedRoot();
  runId = randomUUID();
  task = join(pod.root, 'task');
  mkdirSync(task);
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  pod.remove();
});

/** Walls around the task: the whole machine readable, which keeps this about the supervisor. */
function boundary(more: Partial<Boundary> = {}, options: readonly string[] = []): Boundary {
  const own = [
    '--unshare-all',
    '--unshare-user',
    '--uid',
    '1000',
    '--gid',
    '1000',
    '--die-with-parent',
    '--new-session',
  ];
  const machine = ['--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'];
  // The project itself may lie in /tmp.
  const mounts = [...machine, '--ro-bind', ROOT, ROOT, '--bind', task, task];
  return { argv: [bwrap, ...own, ...mounts, ...options], ...more };
}
function launch(script: string, more: Partial<LaunchRequest> = {}, walls: Partial<Boundary> = {}): void {
  pod.launch(runId, script, { cwd: task, boundary: boundary(walls), ...more });
}
const output = (lines: readonly JournalLine[]): string[] =>
  lines.flatMap((line) => (line.kind === 'stdout' ? [line.text] : []));
const command = (id: string, name: string): CommandAnswer => pod.ask('command', runId, { id, epoch: 1, command: name });
async function exitOf(): Promise<unknown> {
  await eventually(() => pod.status(runId).state === 'exited', 20_000, 50);
  return pod.status(runId).exit;
}
async function lastLineIs(text: string): Promise<void> {
  const journal = join(pod.root, 'runs', runId, 'journal.ndjson');
  await eventually(() => readFileSync(journal, 'utf8').includes(JSON.stringify(text)), 10_000, 20);
}

describe('an agent in a boundary', () => {
  it('has its own environment, input, files and namespaces, and what it says is journaled', async () => {
    launch(
      'env | cut -d= -f1 | sort | tr "\\n" " "; echo; cat; cat home/p.md; ls /proc | grep -c "^[0-9]"; ls -l /proc/self/fd | grep -c "[3-9] -> socket"; exit 7',
      {
        stdin: 'one\n',
        env: { PATH: '/usr/bin:/bin', MODEL_KEY: 'k', LD_PRELOAD: '' },
        files: { [join(task, 'home/p.md')]: 'Fix it.\n' },
      },
    );
    const { lines } = await pod.readToEnd(runId);
    const [names, input, file, processes, channels] = output(lines);
    expect(names).toBe('CAPSTAN_RUN_ID LD_PRELOAD MODEL_KEY PATH PWD ');
    expect([input, file, channels]).toEqual(['one', 'Fix it.', '0']);
    // bubblewrap's own first process, the supervisor inside, the agent, its ls and grep.
    expect(Number(processes)).toBeLessThan(7);
    expect(lines.at(-1)).toMatchObject({ kind: 'exit', exit: { code: 7, signal: null } });
    expect(pod.processes(runId)).toEqual([]);
  }, 30_000);

  it('is interrupted by a signal to its group, and takes messages', async () => {
    launch('trap "echo interrupted; exit 3" INT; while read -r line; do echo "got $line"; done; sleep 600', {
      stdin: 'first\n',
      keepStdinOpen: true,
    });
    await lastLineIs('got first');
    expect(pod.ask('command', runId, { id: 'm', epoch: 1, command: 'message', text: 'second' })).toMatchObject({
      accepted: true,
    });
    await lastLineIs('got second');
    expect(command('i', 'interrupt')).toEqual({ id: 'i', accepted: true });
    expect(await exitOf()).toEqual({ code: 3, signal: null });
    expect(output((await pod.readToEnd(runId)).lines).at(-1)).toBe('interrupted');
  }, 30_000);

  it('is told by which signal it died', async () => {
    launch('echo said >&2; kill -SEGV $$');
    expect(await exitOf()).toEqual({ code: null, signal: 'SIGSEGV' });
    const { lines } = await pod.readToEnd(runId);
    expect(lines).toMatchObject([{ kind: 'stderr', text: 'said' }, { kind: 'exit' }]);
  }, 30_000);

  it('is stopped with a daemon that forgot where it came from', async () => {
    const stubborn = 'trap "" INT TERM HUP; echo up; while :; do sleep 0.1; done';
    launch(`(env -i /usr/bin/setsid -f /bin/sh -c '${stubborn}'); ${stubborn}`);
    await lastLineIs('up');
    const record = JSON.parse(readFileSync(join(pod.root, 'runs', runId, 'process.json'), 'utf8')) as {
      process: { pid: number };
    };
    const inside = descendants(record.process.pid);
    expect(inside.length).toBeGreaterThanOrEqual(4);
    expect(command('s', 'stop')).toEqual({ id: 's', accepted: true });
    expect(await exitOf()).toMatchObject({ ended: 'stopped' });
    expect(inside.filter(isAlive)).toEqual([]);
  }, 30_000);

  it('gives its tools the grace to end once it has ended', async () => {
    launch(`(trap "echo tidied > ${task}/tidy; exit" TERM; while :; do sleep 0.05; done) & sleep 0.3; exit 0`, {
      graceMs: 5_000,
    });
    expect(await exitOf()).toEqual({ code: 0, signal: null });
    expect(readFileSync(join(task, 'tidy'), 'utf8')).toBe('tidied\n');
  }, 30_000);

  it('ends with its keeper, at once and with nobody there to ask for it', async () => {
    launch('trap "" PIPE TERM INT HUP; echo up; while :; do sleep 0.1; done');
    await lastLineIs('up');
    const record = JSON.parse(readFileSync(join(pod.root, 'runs', runId, 'process.json'), 'utf8')) as {
      process: { pid: number };
    };
    const inside = [record.process.pid, ...descendants(record.process.pid)];
    process.kill(pod.keeper(runId), 'SIGKILL');
    await eventually(() => !inside.some(isAlive), 5_000, 20);
    expect(pod.status(runId)).toMatchObject({ state: 'lost' });
  }, 30_000);

  it('is ended at its deadline and at its log limit as any other', async () => {
    launch('trap "" INT TERM; while :; do sleep 0.1; done', { deadlineAt: Date.now() + 700 });
    expect(await exitOf()).toMatchObject({ ended: 'deadline' });
    runId = randomUUID();
    launch('yes "a line of output"', { maxJournalBytes: 200_000 });
    expect(await exitOf()).toMatchObject({ ended: 'log_limit' });
  }, 30_000);

  it('reaches a Unix socket through its relay, also one that comes back later, and no network', async () => {
    const directory = join(pod.root, 'egress');
    mkdirSync(directory);
    const port = 4403;
    const script = `const net = require('net'); const ask = (text) => new Promise((done) => { let got = ''; const s = net.connect(${port}, '127.0.0.1', () => s.end(text)); s.on('data', (d) => got += d); s.on('close', () => done(got)); s.on('error', () => 0); });
      (async () => { console.log(await ask('one')); console.log('waiting'); require('fs').readFileSync(0); console.log(await ask('x'.repeat(300000)));
      const s = net.connect(${servers.length}, '10.0.0.1'); s.on('error', (e) => console.log(e.code)); })()`;
    const listen = async (): Promise<Server> => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        let size = 0;
        socket.on('data', (chunk) => (size += chunk.length));
        socket.on('end', () => socket.end(`heard ${size}`));
      });
      await new Promise<void>((done) => server.listen(join(directory, 'egress.sock'), done));
      servers.push(server);
      return server;
    };
    const first = await listen();
    pod.launch(runId, '', {
      argv: [process.execPath, '-e', script],
      cwd: task,
      keepStdinOpen: true,
      boundary: boundary({ relay: { port, socket: '/tmp/e/egress.sock' } }, ['--ro-bind', directory, '/tmp/e']),
    });
    await lastLineIs('heard 3');
    await lastLineIs('waiting');
    await new Promise((done) => first.close(done));
    command('end', 'end_input');
    const again = listen();
    const { lines } = await pod.readToEnd(runId);
    await again;
    expect(output(lines)).toEqual(['heard 3', 'waiting', 'heard 300000', 'ENETUNREACH']);
  }, 30_000);

  it('did not start where the boundary or its program can not be had, with the reason', async () => {
    launch('true', { boundary: boundary({}, ['--ro-bind', '/no/such/place', '/x']) });
    expect(await exitOf()).toMatchObject({ ended: 'start_failed', message: expect.stringContaining('/no/such/place') });
    runId = randomUUID();
    launch('true', { argv: ['/no/such/agent'] });
    expect(await exitOf()).toMatchObject({ ended: 'start_failed', message: expect.stringContaining('/no/such/agent') });
    runId = randomUUID();
    launch('true', { boundary: { argv: ['/no/such/bwrap'] } });
    expect(await exitOf()).toMatchObject({ ended: 'start_failed', message: expect.stringContaining('/no/such/bwrap') });
  }, 30_000);

  it('leaves nothing of a boundary that came up for a run which never began', async () => {
    const prepare = { remoteUrl: join(pod.root, 'gone'), baseBranch: 'main', branch: 'b', fresh: false };
    const launch = { epoch: 1, argv: ['/bin/true'], env: {}, cwd: task, deadlineAt: 0, maxJournalBytes: 1 };
    const places = { clone: 'clone', worktree: 'task/tree', home: 'task/home' };
    const request = { prepare: { ...prepare, ...places }, launch: { ...launch, boundary: boundary() } };
    expect(pod.ask('start', runId, request).error?.code).toBe('fetch_failed');
    await eventually(() => pod.processes(runId).length === 0);
    expect(pod.status(runId).state).toBe('unknown');
  }, 30_000);

  it('lets nothing be written outside by a link in the place of a file that it is given', async () => {
    const elsewhere = join(pod.root, 'elsewhere');
    mkdirSync(elsewhere);
    launch(`mkdir home; ln -s ${elsewhere} home/settings`);
    await exitOf();
    runId = randomUUID();
    launch('true', { files: { [join(task, 'home/settings/file')]: 'text' } });
    expect(await exitOf()).toMatchObject({ ended: 'start_failed' });
    expect(existsSync(join(elsewhere, 'file'))).toBe(false);
  }, 30_000);
});

/** Not what only waits for whoever should have collected it. */
function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** Processes that descend from it, by their numbers outside. */
function descendants(of: number): number[] {
  const children = (pid: number): number[] =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return children(of).flatMap((pid) => [pid, ...descendants(pid)]);
}
