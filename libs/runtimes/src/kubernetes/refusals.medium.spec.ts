import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubernetesRuntime } from './kubernetes.adapter.js';

/** An API server that answers everything with one status, in Kubernetes' words; it knows nothing else of Kubernetes. */
let status = 403;
const server = createServer((_request, response) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ kind: 'Status', status: 'Failure', message: 'words of the server', code: status }));
});
const directory = mkdtempSync(join(tmpdir(), 'capstan-kube-'));
let runtime: KubernetesRuntime;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const kubeconfigFile = join(directory, 'config');
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  writeFileSync(
    kubeconfigFile,
    JSON.stringify({
      'current-context': 'x',
      clusters: [{ name: 'x', cluster: { server: address, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'x', user: { token: 't' } }],
      contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
    }),
  );
  const supervisorFile = join(directory, 'supervisor.mjs');
  writeFileSync(supervisorFile, '');
  runtime = new KubernetesRuntime({ kubeconfigFile, supervisorFile, namespace: 'pods', defaultImage: 'agent:1' });
});
afterAll(async () => {
  server.closeAllConnections();
  if (server.listening) await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true, force: true });
});

it.each([
  [403, 'UserError', 'kubernetes_forbidden', 'role in the namespace'],
  [422, 'UserError', 'pod_refused', 'quota'],
  [500, 'TransientError', 'kubernetes_unreachable', 'asked again'],
])('an answer %d is a %s %s with a remedy', async (answer, name, code, remedy) => {
  status = answer;
  const refused = { name, code, remedy: expect.stringContaining(remedy) as unknown };
  await expect(runtime.create({ name: 'repo-1', labels: {} })).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining('words of the server') as unknown,
  });
});

it('no answer at all may pass', async () => {
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  await expect(runtime.list({})).rejects.toMatchObject({ name: 'TransientError', code: 'kubernetes_unreachable' });
});
