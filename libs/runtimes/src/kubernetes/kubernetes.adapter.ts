import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { CoreV1Api, KubeConfig, Watch } from '@kubernetes/client-node';
import type { V1Pod } from '@kubernetes/client-node';
import { TransientError, UserError } from '@capstan/domain';
import { collectOutput } from '../exec-output.js';
import type { ExecRequest, ExecResult, ExecStream, ObservedPod, PodSpec, Runtime } from '../runtime.port.js';
import { observePod } from './observed-pod.js';
import { execInPod } from './pod-exec.js';
import { POD_ROOT, podManifest, SUPERVISOR_PATH } from './pod-manifest.js';
import type { ManifestSettings } from './pod-manifest.js';

export interface KubernetesRuntimeConfig extends Omit<ManifestSettings, 'supervisorMap'> {
  /** The supervisor bundle on this machine; pods get it through a ConfigMap. */
  readonly supervisorFile: string;
  /** File that names the cluster; without it, the cluster that Capstan itself runs in. */
  readonly kubeconfigFile?: string;
}

const RECONNECT_MS = 1_000;
const GRACE_S = 5;

/** Pods of a Kubernetes namespace. Needs: pods (create, get, list, watch, delete), pods/exec and configmaps (create). */
export class KubernetesRuntime implements Runtime {
  readonly kind = 'kubernetes';
  private readonly kube = new KubeConfig();
  private readonly api: CoreV1Api;
  /** Restart counts that were told, by pod uid: a new process tells those that it finds once more. */
  private readonly restarts = new Map<string, number>();
  private supervisorMap: Promise<string> | undefined;

  constructor(private readonly config: KubernetesRuntimeConfig) {
    if (config.kubeconfigFile === undefined) this.kube.loadFromCluster();
    else this.kube.loadFromFile(config.kubeconfigFile);
    this.api = this.kube.makeApiClient(CoreV1Api);
  }

  root(_pod: string): string {
    return POD_ROOT;
  }

  supervisor(_pod: string): string {
    return SUPERVISOR_PATH;
  }

  async create(spec: PodSpec): Promise<void> {
    const supervisorMap = await this.provideSupervisor();
    const body = podManifest(spec, { ...this.config, supervisorMap });
    const made = await this.ask(() => this.api.createNamespacedPod({ namespace: this.config.namespace, body }), [409]);
    if (made !== undefined) return;
    const name = { name: spec.name, namespace: this.config.namespace };
    const there = await this.ask(() => this.api.readNamespacedPod(name), [404]);
    if (there !== undefined && there.metadata?.deletionTimestamp === undefined) return;
    throw new TransientError(`the old pod ${spec.name} is still going away`, { code: 'pod_terminating' });
  }

  async delete(name: string, uid?: string): Promise<void> {
    const { namespace } = this.config;
    const body = { gracePeriodSeconds: GRACE_S, ...(uid === undefined ? {} : { preconditions: { uid } }) };
    // A conflict says that another pod has the name by now.
    await this.ask(
      () => this.api.deleteNamespacedPod({ name, namespace, body }),
      uid === undefined ? [404] : [404, 409],
    );
  }

  async list(labels: Readonly<Record<string, string>>): Promise<readonly ObservedPod[]> {
    return (await this.read(labels)).pods.map((pod) => this.observe(pod));
  }

  watch(labels: Readonly<Record<string, string>>, changed: (pod: ObservedPod) => void, signal: AbortSignal): void {
    void this.follow(labels, changed, signal);
  }

  /** The pod itself is the boundary. */
  boundary(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async exec(pod: string, request: ExecRequest): Promise<ExecResult> {
    return await collectOutput(await this.stream(pod, request), request);
  }

  async stream(pod: string, request: ExecRequest): Promise<ExecStream> {
    return await execInPod(this.kube, this.config.namespace, pod, request);
  }

  /** The ConfigMap of this very supervisor: named by its content and immutable, so versions live beside each other. */
  private async provideSupervisor(): Promise<string> {
    this.supervisorMap ??= this.makeSupervisorMap();
    try {
      return await this.supervisorMap;
    } catch (error) {
      this.supervisorMap = undefined;
      throw error;
    }
  }

  private async makeSupervisorMap(): Promise<string> {
    const text = await readFile(this.config.supervisorFile, 'utf8');
    const name = `capstan-supervisor-${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
    const { namespace } = this.config;
    const metadata = { name, namespace, labels: { 'app.kubernetes.io/name': 'capstan' } };
    const body = { metadata, immutable: true, data: { 'supervisor.mjs': text } };
    await this.ask(() => this.api.createNamespacedConfigMap({ namespace, body }), [409]);
    return name;
  }

  private async read(labels: Readonly<Record<string, string>>): Promise<{ pods: V1Pod[]; version: string }> {
    const { namespace } = this.config;
    const answer = await this.ask(() => this.api.listNamespacedPod({ namespace, labelSelector: selector(labels) }));
    return { pods: answer?.items ?? [], version: answer?.metadata?.resourceVersion ?? '' };
  }

  private async follow(
    labels: Readonly<Record<string, string>>,
    changed: (pod: ObservedPod) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const known = new Map<string, ObservedPod>();
    const tell = (pod: ObservedPod): void => {
      if (pod.phase === 'gone') known.delete(pod.name);
      else known.set(pod.name, pod);
      changed(pod);
    };
    while (!signal.aborted) {
      try {
        const { pods, version } = await this.read(labels);
        const there = new Set(pods.map((pod) => pod.metadata?.name));
        for (const pod of pods) tell(this.observe(pod));
        for (const pod of known.values()) if (!there.has(pod.name)) tell({ ...pod, phase: 'gone' });
        await this.watchFrom(version, labels, tell, signal);
      } catch {
        // The cluster can't be asked: whoever lists is told so; a watch only tries again.
        await pause(RECONNECT_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Answers when the connection ended, for whatever reason. */
  private async watchFrom(
    version: string,
    labels: Readonly<Record<string, string>>,
    tell: (pod: ObservedPod) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const path = `/api/v1/namespaces/${this.config.namespace}/pods`;
    const query = { labelSelector: selector(labels), resourceVersion: version };
    await new Promise<void>((done) => {
      const connecting = new Watch(this.kube).watch(
        path,
        query,
        (type, pod: V1Pod) => {
          if (type === 'DELETED') tell({ ...this.observe(pod), phase: 'gone' });
          else if (type === 'ADDED' || type === 'MODIFIED') tell(this.observe(pod));
        },
        () => done(),
      );
      const abort = (): void => {
        void connecting.then((controller) => controller.abort()).catch(() => undefined);
        done();
      };
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
      connecting.catch(() => done());
    });
  }

  private observe(pod: V1Pod): ObservedPod {
    const uid = pod.metadata?.uid ?? '';
    const observed = observePod(pod, this.restarts.get(uid) ?? 0);
    this.restarts.set(uid, observed.restarts);
    return observed;
  }

  /** Asks Kubernetes; an answer with one of the `expected` codes is undefined, not an error. */
  private async ask<T>(request: () => Promise<T>, expected: readonly number[] = []): Promise<T | undefined> {
    try {
      return await request();
    } catch (error) {
      const status = (error as { code?: unknown }).code;
      if (typeof status === 'number' && expected.includes(status)) return undefined;
      throw platformError(status, error);
    }
  }
}

function selector(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

function platformError(status: unknown, cause: unknown): Error {
  const said = (cause as { body?: string }).body ?? String(cause);
  const message = /"message":"((?:[^"\\]|\\.)*)"/.exec(said)?.[1] ?? said.slice(0, 500);
  if (status === 401 || status === 403) {
    return new UserError(`Kubernetes refuses: ${message}`, {
      code: 'kubernetes_forbidden',
      status: 403,
      cause,
    });
  }
  if (status === 400 || status === 404 || status === 422) {
    return new UserError(`Kubernetes refuses the request: ${message}`, { code: 'pod_refused', status: 422, cause });
  }
  return new TransientError(`Kubernetes can't be asked: ${message}`, { code: 'kubernetes_unreachable', cause });
}
