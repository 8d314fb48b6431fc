import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@capstan/test-support';
import { isAlive, type ProcessIdentity } from '../servers/process-identity.js';
import { HostProcess, type HostEvent } from './host-process.js';

describe('a host process', () => {
  const directory = mkdtempSync(join(tmpdir(), 'capstan-host-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const hostOf = (name: string, program: string) => {
    const file = join(directory, `${name}.mjs`);
    const logFile = join(directory, `${name}.log`);
    const events: HostEvent[] = [];
    const processes: ProcessIdentity[] = [];
    writeFileSync(file, program);
    const host = new HostProcess({
      ...{ program: file, cwd: directory, environment: { PATH: process.env['PATH'] }, logFile },
      started: (process_) => process_ !== undefined && processes.push(process_),
      event: (event) => events.push(event),
    });
    return { host, events, processes, log: () => readFileSync(logFile, 'utf8') };
  };

  it('is ready when it says so, and stops when it is asked', async () => {
    const { host, events, processes, log } = hostOf(
      'good',
      `process.send({kind:'service',service:'one'});process.send({kind:'ready'});
       process.on('message',()=>{console.log('in order');process.exit()});`,
    );
    await host.start();
    expect(events).toEqual([
      { kind: 'service', service: 'one' },
      { kind: 'ready', restarts: 0 },
    ]);
    await host.stop();
    expect(processes.map(isAlive)).toEqual([false]);
    expect(log()).toBe('in order\n');
  });

  it('gives up a host that never comes up, with its words', async () => {
    const { host, events } = hostOf('bad', `process.send({kind:'failed',message:'no luck'},()=>process.exit(1))`);
    await expect(host.start()).rejects.toMatchObject({
      code: 'host_crash_loop',
      message: expect.stringMatching(/no luck/),
    });
    const waits = events.flatMap((event) => (event.kind === 'died' ? [event.againInMs] : []));
    expect(waits).toHaveLength(4);
    expect(waits[3]!).toBeGreaterThan(waits[0]!);
  }, 30_000);

  it("doesn't start a configuration again that was refused", async () => {
    const { host, events } = hostOf(
      'refused',
      `process.send({kind:'refused',message:'CAPSTAN_X is wrong'},()=>process.exit(78))`,
    );
    await expect(host.start()).rejects.toMatchObject({
      name: 'UserError',
      code: 'host_refused',
      message: 'CAPSTAN_X is wrong',
    });
    expect(events).toEqual([]);
  });

  it('passes on the code and the remedy of what was refused', async () => {
    const refusal = { kind: 'refused', code: 'postgres_refused', message: 'no such role', remedy: 'Make it.' };
    const { host } = hostOf('named', `process.send(${JSON.stringify(refusal)},()=>process.exit(78))`);
    const { code, message, remedy } = refusal;
    await expect(host.start()).rejects.toMatchObject({ name: 'UserError', code, message, remedy });
  });

  it('starts one again that was up, with the reason', async () => {
    const { host, events, processes } = hostOf(
      'killed',
      `process.send({kind:'ready'});process.on('message',()=>process.exit())`,
    );
    await host.start();
    process.kill(processes[0]!.pid, 'SIGKILL');
    await eventually(() => events.some((event) => event.kind === 'ready' && event.restarts === 1));
    expect(events[1]).toMatchObject({ kind: 'died', how: 'signal SIGKILL', inARow: 1 });
    await host.stop();
    expect(processes.map(isAlive)).toEqual([false, false]);
  }, 20_000);
});
