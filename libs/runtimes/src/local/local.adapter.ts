import { existsSync, watch } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { BOUNDARY_VARIABLE, TransientError, UserError } from '@capstan/domain';
import type { Boundary, Isolation, StatusAnswer } from '@capstan/domain';
import type {
  BoundaryRequest,
  ExecRequest,
  ExecResult,
  ExecStream,
  ObservedPod,
  PodSpec,
  Runtime,
} from '../runtime.port.js';
import { collectOutput } from '../exec-output.js';
import { SupervisorClient } from '../supervisor-client.js';
import { LocalBoundary, unproven } from './boundary/isolation.js';
import type { LocalIsolation } from './boundary/isolation.js';
import { startProcess } from './local-process.js';
import { localEnvironment } from './local.config.js';

export interface LocalRuntimeConfig {
  /** Directory that holds one directory per pod. */
  readonly directory: string;
  /** The supervisor bundle on this machine. */
  readonly supervisorFile: string;
  /** How pods that are made here are isolated; unset: they aren't. Whoever makes none needs it for `boundary` alone. */
  readonly isolation?: LocalIsolation;
}

interface PodFile {
  readonly spec: PodSpec;
  /** Missing from files of an earlier version. */
  readonly uid?: string;
  readonly terminating: boolean;
  /** Proven when the pod was made, and for its life; missing from files of an earlier version: not isolated. */
  readonly isolation?: Isolation;
  readonly isolationReason?: string;
}

const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const POLL_MS = 1_000;
const NO_ISOLATION: LocalIsolation = { mode: 'off', hidden: [], readable: [], unreachable: [] };
/** How long a pod's agents may take to end when it is deleted, ms. */
const END_MS = 30_000;

/**
 * Pods as directories on this machine: `DIRECTORY/POD.json` says what was asked for, `DIRECTORY/POD` is the pod's root. All
 * state is on disk, so another process goes on where this one stopped. A pod is isolated or not for its life, as was proven
 * when it was made; of an isolated one, each agent lives in a boundary of its own.
 */
export class LocalRuntime implements Runtime {
  readonly kind = 'local';
  private readonly directory: string;
  private readonly walls: LocalBoundary;

  constructor(private readonly config: LocalRuntimeConfig) {
    this.directory = resolve(config.directory);
    this.walls = new LocalBoundary(config.isolation ?? NO_ISOLATION, this.directory, config.supervisorFile);
  }

  root(pod: string): string {
    return join(this.directory, requireName(pod));
  }

  supervisor(_pod: string): string {
    return this.config.supervisorFile;
  }

  async create(spec: PodSpec): Promise<void> {
    const file = this.file(spec.name);
    if (existsSync(file)) return;
    const proof = await this.walls.prove();
    if (proof.isolation === 'not_isolated' && this.walls.mode === 'require') throw unproven(proof.reason ?? '');
    await mkdir(this.root(spec.name), { recursive: true, mode: 0o700 });
    const { isolation, reason: isolationReason } = proof;
    const content = {
      spec,
      uid: randomUUID(),
      terminating: false,
      isolation,
      ...(isolationReason && { isolationReason }),
    };
    await writeWhole(file, content);
  }

  async delete(name: string, uid?: string): Promise<void> {
    const pod = await this.read(name);
    if (uid !== undefined && (pod === undefined || uidOf(pod) !== uid)) return;
    if (pod !== undefined) await writeWhole(this.file(name), { ...pod, terminating: true });
    const root = this.root(name);
    if (existsSync(root) && pod !== undefined) {
      const runIds = existsSync(join(root, 'runs')) ? await readdir(join(root, 'runs')) : [];
      await Promise.all(runIds.map((runId) => this.endRun(name, runId)));
      await new SupervisorClient(this, name).discard({ runIds, paths: await readdir(root) });
    }
    await rm(root, { recursive: true, force: true });
    await rm(this.file(name), { force: true });
  }

  async list(labels: Readonly<Record<string, string>>): Promise<readonly ObservedPod[]> {
    const files = existsSync(this.directory) ? await readdir(this.directory) : [];
    const names = files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -'.json'.length));
    const pods = await Promise.all(names.filter((name) => NAME.test(name)).map((name) => this.read(name)));
    return pods
      .filter((pod) => pod !== undefined)
      .filter(({ spec }) => Object.entries(labels).every(([key, value]) => spec.labels[key] === value))
      .map(observed);
  }

  watch(labels: Readonly<Record<string, string>>, changed: (pod: ObservedPod) => void, signal: AbortSignal): void {
    void this.follow(labels, changed, signal);
  }

  async boundary(pod: string, request: BoundaryRequest): Promise<Boundary | undefined> {
    if ((await this.read(pod))?.isolation !== 'isolated') return undefined;
    return await this.walls.around(request);
  }

  async exec(pod: string, request: ExecRequest): Promise<ExecResult> {
    await this.requirePod(pod);
    return await collectOutput(startProcess(await this.command(pod, request)), request);
  }

  async stream(pod: string, request: ExecRequest): Promise<ExecStream> {
    await this.requirePod(pod);
    return startProcess(await this.command(pod, request));
  }

  private async command(pod: string, request: ExecRequest): Promise<Parameters<typeof startProcess>[0]> {
    const file = await this.read(pod);
    const demanded: Record<string, string> = file?.isolation === 'isolated' ? { [BOUNDARY_VARIABLE]: 'required' } : {};
    const env = { ...localEnvironment(), ...file?.spec.env, ...demanded };
    return { request, cwd: this.root(pod), env };
  }

  private async requirePod(name: string): Promise<void> {
    if ((await this.read(name)) !== undefined) return;
    throw new UserError(`there is no pod ${name}`, { code: 'pod_not_found', status: 404 });
  }

  private async endRun(pod: string, runId: string): Promise<void> {
    const client = new SupervisorClient(this, pod);
    let now: StatusAnswer = await client.status(runId);
    if (now.state !== 'running') return;
    await client.command(runId, { id: `delete-${now.epoch}`, epoch: now.epoch, command: 'stop' });
    for (const end = performance.now() + END_MS; now.state === 'running'; now = await client.status(runId)) {
      if (performance.now() > end) {
        throw new TransientError(`run ${runId} in pod ${pod} doesn't end`, { code: 'run_not_ending' });
      }
      await pause(50);
    }
  }

  private async follow(
    labels: Readonly<Record<string, string>>,
    changed: (pod: ObservedPod) => void,
    signal: AbortSignal,
  ): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    const notices = new Notices(this.directory, signal);
    let before = new Map<string, { pod: ObservedPod; text: string }>();
    while (!signal.aborted) {
      const now = new Map<string, { pod: ObservedPod; text: string }>();
      for (const pod of (await this.listOrNothing(labels)) ?? [...before.values()].map((each) => each.pod)) {
        now.set(pod.name, { pod, text: JSON.stringify(pod) });
      }
      for (const [name, { pod, text }] of now) if (before.get(name)?.text !== text) changed(pod);
      for (const [name, { pod }] of before) if (!now.has(name)) changed({ ...pod, phase: 'gone' });
      before = now;
      await notices.next();
    }
  }

  /** A look that fails is no news; the next one comes in a second, and `list` says what is wrong. */
  private async listOrNothing(labels: Readonly<Record<string, string>>): Promise<readonly ObservedPod[] | undefined> {
    return await this.list(labels).catch(() => undefined);
  }

  private file(name: string): string {
    return join(this.directory, `${requireName(name)}.json`);
  }

  private async read(name: string): Promise<PodFile | undefined> {
    try {
      return JSON.parse(await readFile(this.file(name), 'utf8')) as PodFile;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      if (error instanceof UserError) throw error;
      throw new TransientError(`pod ${name} can't be read`, { code: 'pod_unreadable', cause: error });
    }
  }
}

/** Changes in the pods' directory: the system's notice where there is one, and a look each second. */
class Notices {
  private wake: () => void = () => undefined;

  constructor(directory: string, signal: AbortSignal) {
    try {
      const watcher = watch(directory, { recursive: false, signal }, () => this.wake());
      watcher.on('error', () => watcher.close());
    } catch {
      // The poll alone serves too.
    }
    signal.addEventListener('abort', () => this.wake(), { once: true });
  }

  async next(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, POLL_MS);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function requireName(name: string): string {
  if (NAME.test(name)) return name;
  throw new UserError(`not a pod name: ${JSON.stringify(name)}`, {
    code: 'bad_pod_name',
    field: 'name',
    remedy: 'Use at most 63 lower-case letters, digits and hyphens.',
  });
}

function observed(pod: PodFile): ObservedPod {
  const { name, labels } = pod.spec;
  const phase = pod.terminating ? 'terminating' : 'ready';
  const { isolation = 'not_isolated', isolationReason } = pod;
  const told = isolationReason === undefined ? {} : { isolationReason };
  return { name, uid: uidOf(pod), labels, phase, restarts: 0, isolation, ...told, health: [] };
}

function uidOf({ spec, uid }: PodFile): string {
  return uid ?? spec.name;
}

async function writeWhole(file: string, content: PodFile): Promise<void> {
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, JSON.stringify(content), { mode: 0o600 });
  await rename(draft, file);
}
