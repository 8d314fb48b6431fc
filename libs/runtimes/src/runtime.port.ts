import type { Readable } from 'node:stream';
import type { Boundary, Isolation, PodHealthKind, RuntimeKind } from '@capstan/domain';

/** What a pod is made from. Pure data: the same spec twice is the same pod. */
export interface PodSpec {
  /** Unique, DNS-1123: the adapter's handle for the pod and the key that create is idempotent by. */
  readonly name: string;
  /** Labels by which `list` finds Capstan's pods again. */
  readonly labels: Readonly<Record<string, string>>;
  /** Image for runtimes that have images; ignored by `local`. */
  readonly image?: string;
  /** Non-secret variables of every exec in the pod. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What a runtime knows of one pod right now. */
export interface ObservedPod {
  readonly name: string;
  /** This very pod's: one that is made later under the same name has another. */
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly phase: 'pending' | 'ready' | 'failed' | 'terminating' | 'gone';
  /** Why it isn't ready or has failed: the platform's reason (`ErrImageNeverPull`, `Unschedulable` …) and words. */
  readonly reason?: string;
  readonly message?: string;
  readonly restarts: number;
  readonly isolation: Isolation;
  /** Why it isn't isolated, in words. */
  readonly isolationReason?: string;
  /** Health facts since the last observation, e.g. an OOM kill. */
  readonly health: readonly PodHealthKind[];
}

export interface ExecRequest {
  /** The program and its arguments: no shell, and nothing secret. */
  readonly argv: readonly string[];
  /** Sent to stdin, then end-of-file (or the runtime's nearest equal). Secrets go here. */
  readonly stdin?: string | Uint8Array;
  /** Bounds a command that answers; unset for streams. ms */
  readonly timeoutMs?: number;
  /** Ends the exec's connection. Never ends what the command has put into a session of its own. */
  readonly signal?: AbortSignal;
}

export interface ExecResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A running exec: read `stdout` to its end, then await `exit`. */
export interface ExecStream {
  readonly stdout: Readable;
  /** Exit code; rejects with TransientError when the connection was lost before the command ended. */
  readonly exit: Promise<{ readonly code: number; readonly stderr: string }>;
  /** Drops the connection. */
  close(): void;
}

/** What an agent is to see of its pod. Directories are absolute; those in the pod are made where they are missing. */
export interface BoundaryRequest {
  readonly writable: readonly string[];
  readonly readable: readonly string[];
  /** The agent's program, by name or path, and where it is looked for: its installation is made readable. */
  readonly program?: { readonly name: string; readonly path: string };
  /** Files outside that the agent's command line names, e.g. its script: each that is there is made readable, alone. */
  readonly files?: readonly string[];
}

/**
 * Where agents run. Everything beyond a pod's life goes through exec, on a laptop too.
 * All methods throw `TransientError` when the platform can't be asked and `UserError` when it refused for good.
 */
export interface Runtime {
  readonly kind: RuntimeKind;
  /** Root directory of a pod's file system that Capstan may use, as seen by an exec in it. */
  root(pod: string): string;
  /** Path of the supervisor file, as seen by an exec in the pod. */
  supervisor(pod: string): string;
  /** Idempotent by name. Answers once the platform has taken the request, not when the pod is ready. */
  create(spec: PodSpec): Promise<void>;
  /**
   * Idempotent: deleting what is gone is success. Agents in the pod are ended.
   * @param uid deletes this very pod only: one that was made under its name since then stays, and the call succeeds.
   */
  delete(name: string, uid?: string): Promise<void>;
  list(labels: Readonly<Record<string, string>>): Promise<readonly ObservedPod[]>;
  /** Calls back on every change until the signal aborts; reconnects by itself. Misses are repaired by `list`. */
  watch(labels: Readonly<Record<string, string>>, changed: (pod: ObservedPod) => void, signal: AbortSignal): void;
  /**
   * The walls for one task's agent, where the pod doesn't have them itself; undefined where it does, and where it isn't
   * isolated. Throws UserError `isolation_unproven` where an isolated pod's can't be made any more.
   */
  boundary(pod: string, request: BoundaryRequest): Promise<Boundary | undefined>;
  /** Runs to its end and collects its output (at most 64 MiB of stdout). */
  exec(pod: string, request: ExecRequest): Promise<ExecResult>;
  /** Starts and streams. */
  stream(pod: string, request: ExecRequest): Promise<ExecStream>;
}
