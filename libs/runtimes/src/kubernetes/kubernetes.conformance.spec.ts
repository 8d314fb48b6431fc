import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join, resolve } from 'node:path';
import { eventually } from '@capstan/test-support';
import { runtimeConformance } from '../runtime.conformance.js';
import type { ObservedPod } from '../runtime.port.js';
import { KubernetesRuntime } from './kubernetes.adapter.js';
import { testCluster } from './kubernetes-test.config.js';

const cluster = testCluster();
const supervisor = resolve(import.meta.dirname, '../../../supervisor');

function runtime(): KubernetesRuntime {
  if (cluster === undefined) throw new Error('no cluster');
  return new KubernetesRuntime({
    namespace: 'default',
    defaultImage: cluster.image,
    imagePullPolicy: 'Never',
    kubeconfigFile: cluster.kubeconfigFile,
    supervisorFile: join(supervisor, 'dist/supervisor.mjs'),
  });
}

if (cluster === undefined) {
  it.skip('Kubernetes: set KUBECONFIG to a throw-away cluster, or run scripts/test-kubernetes.sh', () => undefined);
} else {
  beforeAll(() => {
    execFileSync(process.execPath, [join(supervisor, 'build.mjs')]);
  });

  runtimeConformance('kubernetes', () => Promise.resolve({ runtime: runtime(), spec: {}, readyMs: 60_000 }));

  describe('a Kubernetes pod', () => {
    const label = { 'capstan.test': randomUUID() };
    const subject = runtime();
    const made: string[] = [];

    afterAll(() => Promise.all(made.map((name) => subject.delete(name))));

    async function make(more: { image?: string } = {}): Promise<string> {
      const name = `case-${randomUUID().slice(0, 8)}`;
      made.push(name);
      await subject.create({ name, labels: label, ...more });
      return name;
    }
    async function observe(name: string): Promise<ObservedPod | undefined> {
      return (await subject.list(label)).find((each) => each.name === name);
    }

    it('says at once that an image can never come', async () => {
      const name = await make({ image: 'no.such/image:1' });
      await eventually(async () => (await observe(name))?.phase === 'failed', 60_000, 200);
      expect(await observe(name)).toMatchObject({ reason: 'ErrImageNeverPull' });
      const invalid = await make({ image: 'Not An Image' });
      await eventually(async () => (await observe(invalid))?.reason === 'InvalidImageName', 60_000, 200);
    }, 120_000);

    it('holds no token, no capability and no root, and collects the dead', async () => {
      const name = await make();
      await eventually(async () => (await observe(name))?.phase === 'ready', 60_000, 200);
      const script = `id -u; grep CapEff /proc/self/status; grep Seccomp: /proc/self/status; ls /var/run/secrets 2>&1 | head -1; cat /proc/1/comm; for i in 1 2 3 4 5; do (sleep 0.05 &) ; done; sleep 0.5; cat /proc/[0-9]*/stat | grep -c ' Z '`;
      const { stdout } = await subject.exec(name, { argv: ['sh', '-c', script] });
      const [uid, capabilities, seccomp, secrets, first, zombies] = stdout.toString().trim().split('\n');
      expect([uid, capabilities?.split(/\s+/)[1], seccomp?.split(/\s+/)[1], first, zombies]).toEqual([
        '1000',
        '0000000000000000',
        '2',
        'sh',
        '0',
      ]);
      expect(secrets).toContain('No such file');
      const written = await subject.exec(name, { argv: ['sh', '-c', 'echo x >> /opt/capstan/supervisor.mjs'] });
      expect(written.code).not.toBe(0);
    }, 120_000);

    it('tells a restart of the container as a health fact, once', async () => {
      const name = await make();
      await eventually(async () => (await observe(name))?.phase === 'ready', 60_000, 200);
      await subject.exec(name, { argv: ['sh', '-c', 'kill -TERM 1'] }).catch(() => undefined);
      const facts: string[] = [];
      await eventually(
        async () => {
          const pod = await observe(name);
          facts.push(...(pod?.health ?? []));
          return pod?.restarts === 1 && pod.phase === 'ready';
        },
        60_000,
        200,
      );
      expect(facts).toEqual(['crashed', 'restarted']);
    }, 120_000);
  });
}
