import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { UserError, type Boundary, type Isolation } from '@capstan/domain';
import type { BoundaryRequest } from '../../runtime.port.js';
import { searchPath } from '../local.config.js';
import { etcPlaces, installationOf, kernelPlaces, nodePlace, onPath, ownEtc, systemPlaces } from './machine.js';
import { probeBoundary } from './probe.js';
import { EGRESS_DIRECTORY, wallArguments } from './walls.js';
import type { Walls } from './walls.js';

/** How pods on this machine are kept apart from it. */
export interface LocalIsolation {
  /** `require` makes no pod without a proven boundary, `prefer` marks it, `off` doesn't try. */
  readonly mode: 'require' | 'prefer' | 'off';
  /** bubblewrap; the one on PATH unless given. */
  readonly bwrap?: string;
  /** Directories that agents must never see, whatever else they see: Capstan's state. The user's home always is one. */
  readonly hidden: readonly string[];
  /** Further paths that agents may read. */
  readonly readable: readonly string[];
  /** Egress's Unix socket, alone in its directory, and the port on 127.0.0.1 at which agents reach it. */
  readonly egress?: { readonly socket: string; readonly port: number };
  /** Addresses `host:port` that the probe must not reach, besides one of its own making. */
  readonly unreachable: readonly string[];
}

export interface Proof {
  readonly isolation: Isolation;
  /** Why not, in words that name the remedy where there is one. */
  readonly reason?: string;
}

/** A proof holds so long, ms; a failed one is soon tried again: egress may only be starting. */
const PROVEN_MS = 60_000;
const UNPROVEN_MS = 5_000;

/** The boundary of local pods: finds bubblewrap, proves what it does by running it, and makes its command lines. */
export class LocalBoundary {
  private proof: { readonly result: Promise<Proof>; readonly until: number } | undefined;
  private features: Promise<Walls['features']> | undefined;

  constructor(
    private readonly settings: LocalIsolation,
    private readonly directory: string,
    private readonly supervisorFile: string,
  ) {}

  get mode(): LocalIsolation['mode'] {
    return this.settings.mode;
  }

  /** Whether the boundary holds on this machine now. Asked at once by several, it is tried once. */
  prove(): Promise<Proof> {
    if (this.proof === undefined || performance.now() > this.proof.until) {
      const result = this.tryBoundary();
      this.proof = { result, until: performance.now() + PROVEN_MS };
      void result.then(({ isolation }) => {
        if (isolation === 'isolated') return;
        this.proof = { result, until: performance.now() + UNPROVEN_MS };
      });
    }
    return this.proof.result;
  }

  /** The boundary of one task. Throws UserError `isolation_unproven` where bubblewrap is gone. */
  async around(request: BoundaryRequest): Promise<Boundary> {
    const bwrap = this.bwrap();
    if (bwrap === undefined) throw unproven('the pod is isolated, and bubblewrap is gone from this machine');
    await Promise.all(
      [...request.writable, ...request.readable].map((path) => mkdir(path, { recursive: true, mode: 0o700 })),
    );
    const { egress } = this.settings;
    const argv = wallArguments(await this.walls(bwrap, request));
    const socket = egress && join(EGRESS_DIRECTORY, basename(egress.socket));
    return { argv, ...(egress && socket && { relay: { port: egress.port, socket } }) };
  }

  private async walls(bwrap: string, request: BoundaryRequest): Promise<Walls> {
    const { program, files = [], readable, writable } = request;
    const { egress } = this.settings;
    this.features ??= featuresOf(bwrap);
    if (egress !== undefined) await mkdir(dirname(egress.socket), { recursive: true, mode: 0o700 });
    const path = searchPath();
    const tools = [installationOf('git', path), ...(program ? [installationOf(program.name, program.path)] : [])];
    const supervisor = [resolve(this.supervisorFile), nodePlace(process.execPath)];
    const further = this.settings.readable.filter((each) => existsSync(each));
    return {
      bwrap,
      features: await this.features,
      system: systemPlaces(),
      kernel: kernelPlaces(),
      files: await ownEtc(join(this.directory, '.boundary', 'etc')),
      hidden: this.hidden(),
      readable: [
        ...(await etcPlaces()),
        ...supervisor,
        ...tools.flatMap((tool) => tool.readable),
        ...further,
        ...files.filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true),
        ...readable,
      ],
      links: tools.flatMap((tool) => tool.links),
      writable,
      ...(egress && { egress: dirname(egress.socket) }),
    };
  }

  private async tryBoundary(): Promise<Proof> {
    if (this.settings.mode === 'off') return { isolation: 'not_isolated', reason: 'CAPSTAN_ISOLATION is off' };
    if (process.platform !== 'linux')
      return { isolation: 'not_isolated', reason: `there is no boundary for ${process.platform} yet` };
    if (this.bwrap() === undefined) {
      return {
        isolation: 'not_isolated',
        reason: 'bubblewrap is missing: apt install bubblewrap (or dnf, pacman, apk), or set CAPSTAN_BWRAP_BIN',
      };
    }
    const reason = await probeBoundary({
      around: (request) => this.around(request),
      directory: this.directory,
      supervisorFile: resolve(this.supervisorFile),
      hidden: this.hidden(),
      unreachable: this.settings.unreachable,
    });
    return reason === undefined ? { isolation: 'isolated' } : { isolation: 'not_isolated', reason };
  }

  private hidden(): string[] {
    return [...this.settings.hidden.map((each) => resolve(each)), resolve(homedir())].filter((each) => each !== '/');
  }

  private bwrap(): string | undefined {
    const { bwrap } = this.settings;
    if (bwrap !== undefined) return existsSync(bwrap) ? resolve(bwrap) : undefined;
    return onPath('bwrap', searchPath());
  }
}

export function unproven(reason: string): UserError {
  return new UserError(`The pod's boundary isn't proven: ${reason}`, { code: 'isolation_unproven', status: 409 });
}

/** By its own help text: distributions' versions differ, and an unknown option is refused. */
async function featuresOf(bwrap: string): Promise<Walls['features']> {
  const child = spawn(bwrap, ['--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.on('error', () => undefined);
  const [out, err] = await Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
  const text = Buffer.concat([...out, ...err] as Buffer[]).toString('utf8');
  return { disableUserNamespaces: text.includes('--disable-userns'), tmpfsSize: text.includes('--size') };
}
