import { spawn } from 'node:child_process';
import { join } from 'node:path';
import {
  LoneHost,
  ROOT,
  aSystem,
  change,
  eventually,
  freePorts,
  plainEnvironment,
  type System,
} from '@capstan/test-support';

const SERVICES = [
  'scheduler',
  'pod-pool',
  'agent-runner',
  'pr-watcher',
  'ticket-sync',
  'webhooks',
  'egress',
  'gateway',
] as const;

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

describe('Boot', () => {
  let system: System;
  let ports: Readonly<Record<string, string>>;
  const hosts: LoneHost[] = [];
  beforeAll(async () => {
    // The launcher's own host is the public door alone: everything else lives in hosts of its own.
    const first = await freePorts(2);
    ports = { CAPSTAN_WEBHOOKS_PORT: String(first), CAPSTAN_EGRESS_PORT: String(first + 1) };
    system = await aSystem({ env: { CAPSTAN_SERVICES: 'gateway', ...ports } });
  });
  afterAll(async () => {
    await Promise.all(hosts.map((host) => host.stop()));
    await system?.expectNothingLeft();
  });

  describe('each service in a host of its own, from what was built', () => {
    it.each(SERVICES.filter((name) => name !== 'gateway'))('%s comes up and answers', async (name) => {
      const host = await LoneHost.start(system, name, ports);
      hosts.push(host);
      await host.untilReady();
      expect((await fetch(`${host.internalUrl}/livez`)).status).toBe(200);
      // A machine that is busy with seven hosts may make one check late; its body says which one then.
      await eventually(async () => {
        const ready = await fetch(`${host.internalUrl}/readyz`);
        if (!ready.ok) throw new Error(`${ready.status} ${await ready.text()}`);
      }, 10_000);
      expect(await (await fetch(`${host.internalUrl}/metrics`)).text()).toContain('capstan_');
    });

    it('all of them together carry a ticket to its merge', async () => {
      const number = await system.ticket('Eight hosts', change('eight'));
      const task = await system.taskOf(number);
      await system.untilState(task.id, 'completed', 60_000);
      await system.untilTicketClosed(number);
    });

    it('a second gateway serves what the first one does, and stops in order', async () => {
      const port = await freePorts(1);
      const host = await LoneHost.start(system, 'gateway', { CAPSTAN_PORT: String(port) });
      await host.untilReady();
      const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
      expect(answer.status).toBe(200);
      expect(await host.stop()).toMatchObject({ code: 0 });
    });
  });

  describe('the command', () => {
    it('shows status, tasks, pods, a log and a trace', async () => {
      const status = await capstan(['status', '-o', 'json']);
      expect(status.code).toBe(0);
      const tasks = await capstan(['get', 'tasks', '-o', 'json']);
      expect(tasks.code).toBe(0);
      const [task] = (JSON.parse(tasks.out) as { items: { shortId: string }[] }).items;
      const log = await capstan(['logs', task!.shortId]);
      expect(log).toMatchObject({ code: 0 });
      const trace = await capstan(['trace', task!.shortId]);
      expect(trace.code).toBe(0);
      expect(trace.out).toContain('merged');
      expect((await capstan(['get', 'pods'])).out).toContain('capstan-app');
      expect((await capstan(['sign-in'])).out).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/sign-in#link=[\w-]{20,}\n/);
    });

    it('says what it can not do by words and exit code', async () => {
      expect(await capstan(['cancel', 'deadbeef'])).toMatchObject({ code: 3 });
      expect(await capstan(['fly'])).toMatchObject({
        code: 2,
        err: expect.stringContaining('unsupported command') as string,
      });
      const { items } = await system.get<{ items: { shortId: string }[] }>('/api/tasks');
      const completed = await capstan(['retry', items[0]!.shortId]);
      expect(completed).toMatchObject({ code: 5 });
      expect(completed.err).not.toBe('');
      const second = await capstan(['up', '-o', 'json']);
      expect(second).toMatchObject({ code: 5, err: expect.stringContaining('runs already') as string });
    });
  });

  describe('a configuration that can not work is refused, all faults at once', () => {
    it('by a host', async () => {
      const host = await LoneHost.start(system, 'gateway,scheduler', {
        CAPSTAN_DATABASE_URL: 'mysql://root@db/capstan',
        CAPSTAN_ENCRYPTION_KEY: 'c2hvcnQga2V5',
        CAPSTAN_LOG_FORMAT: 'yaml',
        CAPSTAN_MAX_CONCURRENT: 'many',
        CAPSTAN_PUBLIC_URL: 'capstan.example.org',
      });
      const { code, said } = await host.ended;
      expect(code).toBe(78);
      for (const variable of ['DATABASE_URL', 'ENCRYPTION_KEY', 'LOG_FORMAT', 'MAX_CONCURRENT', 'PUBLIC_URL'])
        expect(said).toContain(`CAPSTAN_${variable}`);
      expect(said).toContain('unsupported CAPSTAN_LOG_FORMAT "yaml"; expected json or text');
      expect(said).toContain('openssl rand -base64 32');
      expect(said).not.toContain('c2hvcnQga2V5');
    });

    it('by the launcher', async () => {
      const dataDir = join(system.dir, 'refused');
      const port = String(await freePorts(3));
      const refused = await capstan(['up', '-o', 'json'], {
        CAPSTAN_DATA_DIR: dataDir,
        CAPSTAN_PORT: port,
        CAPSTAN_LOG_FORMAT: 'yaml',
        CAPSTAN_ENCRYPTION_KEY: 'c2hvcnQga2V5',
        CAPSTAN_MAX_CONCURRENT: 'many',
      });
      expect(refused.code).toBe(5);
      for (const variable of ['LOG_FORMAT', 'ENCRYPTION_KEY', 'MAX_CONCURRENT'])
        expect(refused.err).toContain(`CAPSTAN_${variable}`);
      expect(refused.err + refused.out).not.toContain('c2hvcnQga2V5');
    });

    it('names every variable of the command itself that is wrong', async () => {
      const refused = await capstan(['up'], { CAPSTAN_PORT: '70000', CAPSTAN_SERVICES: 'gateway,oven' });
      expect(refused.code).toBe(5);
      expect(refused.err).toContain('CAPSTAN_PORT');
      expect(refused.err).toContain('CAPSTAN_SERVICES');
    });

    it('says which server can not be reached', async () => {
      const port = await freePorts(1);
      const refused = await capstan(['up'], {
        CAPSTAN_DATA_DIR: join(system.dir, 'unreachable'),
        CAPSTAN_PORT: String(await freePorts(3)),
        CAPSTAN_DATABASE_URL: `postgres://a:b@127.0.0.1:${port}/c`,
      });
      expect([4, 5]).toContain(refused.code);
      expect(refused.err).toContain('CAPSTAN_DATABASE_URL');
    });
  });

  function capstan(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [join(ROOT, 'services/cli/dist/main.js'), ...words], {
        cwd: ROOT,
        env: { ...plainEnvironment(), CAPSTAN_DATA_DIR: system.dataDir, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let [out, err] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, out, err }));
    });
  }
});
