import { PassThrough } from 'node:stream';
import { Exec } from '@kubernetes/client-node';
import type { KubeConfig, V1Status } from '@kubernetes/client-node';
import { TransientError, UserError } from '@capstan/domain';
import type { ExecRequest, ExecStream } from '../runtime.port.js';
import { CONTAINER } from './pod-manifest.js';

/** Channels of the `channel.k8s.io` protocols: the first byte of every frame. */
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, status: 3, close: 255 } as const;
const FRAME_BYTES = 32_768;
const MAX_STDERR_CHARACTERS = 65_536;
/** A connection that isn't up after this is given up, ms. */
const CONNECT_MS = 15_000;

type Handler = Exec['handler'];
type Socket = Awaited<ReturnType<Handler['connect']>>;

/**
 * Starts a command in the pod over the websocket exec. Stdin is sent whole and left open: protocol v4 can't say that it
 * ends, and closing the connection would end the command's output too.
 */
export async function execInPod(
  config: KubeConfig,
  namespace: string,
  pod: string,
  request: ExecRequest,
): Promise<ExecStream> {
  const query = new URLSearchParams({ container: CONTAINER, stdout: 'true', stderr: 'true', tty: 'false' });
  query.set('stdin', String(request.stdin !== undefined));
  for (const word of request.argv) query.append('command', word);
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/exec?${query}`;
  const exec = new PodExec();
  const connecting = handlerOf(config).connect(path, null, (channel, bytes) => exec.receive(channel, bytes));
  try {
    exec.open(await withinTime(connecting));
  } catch (error) {
    throw connectError(pod, error);
  }
  exec.send(request.stdin);
  if (request.signal?.aborted === true) exec.close();
  else request.signal?.addEventListener('abort', () => exec.close(), { once: true });
  return exec;
}

/**
 * The library's websocket, without its handling of streams. On a v5 server's word it ends the streams that it was given,
 * and unless told those are the process's own.
 */
function handlerOf(config: KubeConfig): Handler {
  const { handler } = new Exec(config);
  const idle = new PassThrough();
  return Object.assign(handler, { streams: { stdin: idle, stdout: idle, stderr: idle } });
}

class PodExec implements ExecStream {
  readonly stdout = new PassThrough();
  readonly exit: Promise<{ code: number; stderr: string }>;
  private stderr = '';
  private socket: Socket | undefined;
  private settled = false;
  private resolve!: (exit: { code: number; stderr: string }) => void;
  private reject!: (error: Error) => void;

  constructor() {
    this.exit = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Whoever only reads the stream may never ask how it ended.
    this.exit.catch(() => undefined);
  }

  open(socket: Socket): void {
    this.socket = socket;
    socket.onerror = (event) => this.dropped(event.message);
    socket.onclose = (event) => this.dropped(event.reason === '' ? `code ${event.code}` : event.reason);
    // It may have closed before there was somebody to tell.
    if (socket.readyState >= 2) this.dropped('it closed at once');
  }

  send(input: string | Uint8Array | undefined): void {
    if (input === undefined) return;
    const bytes = Buffer.from(input as Uint8Array);
    for (let at = 0; at < bytes.length; at += FRAME_BYTES) {
      this.socket?.send(Buffer.concat([Buffer.from([CHANNEL.stdin]), bytes.subarray(at, at + FRAME_BYTES)]));
    }
  }

  /** Takes one frame; false ends the connection. */
  receive(channel: number, bytes: Buffer): boolean {
    switch (channel) {
      case CHANNEL.stdout:
        if (bytes.length > 0) this.stdout.write(bytes);
        return true;
      case CHANNEL.stderr:
        this.stderr = (this.stderr + bytes.toString('utf8')).slice(-MAX_STDERR_CHARACTERS);
        return true;
      case CHANNEL.status:
        this.finish(JSON.parse(bytes.toString('utf8')) as V1Status);
        return false;
      default:
        return true;
    }
  }

  close(): void {
    this.dropped('we closed it');
    this.socket?.close();
  }

  private finish(status: V1Status): void {
    this.settled = true;
    this.stdout.end();
    const code = exitCode(status);
    if (code === undefined) {
      this.reject(new UserError(status.message ?? 'the command was not started', { code: 'exec_failed' }));
    } else this.resolve({ code, stderr: this.stderr });
  }

  private dropped(why: string): void {
    if (this.settled) return;
    this.settled = true;
    this.stdout.end();
    this.reject(new TransientError(`the connection to the pod was lost: ${why}`, { code: 'exec_dropped' }));
  }
}

/** Exit code in the status that ends an exec; undefined when the command never ran. */
export function exitCode(status: V1Status): number | undefined {
  if (status.status === 'Success') return 0;
  const cause = status.details?.causes?.find((each) => each.reason === 'ExitCode');
  if (status.reason !== 'NonZeroExitCode' || cause?.message === undefined) return undefined;
  const code = Number(cause.message);
  return Number.isInteger(code) ? code : undefined;
}

async function withinTime(connecting: Promise<Socket>): Promise<Socket> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no connection in ${CONNECT_MS} ms`)), CONNECT_MS);
  });
  connecting.then(
    (socket) => timer === undefined && socket.close(),
    () => undefined,
  );
  try {
    return await Promise.race([connecting, late]);
  } finally {
    clearTimeout(timer);
    timer = undefined;
  }
}

/** The websocket library tells a refusal only as `Unexpected server response: 404`. */
function connectError(pod: string, error: unknown): Error {
  const { message } = error as { message?: string };
  const status = Number(/response: (\d{3})/.exec(message ?? '')?.[1]);
  if (status === 404) {
    return new UserError(`there is no pod ${pod}`, { code: 'pod_not_found', status: 404, cause: error });
  }
  if (status === 401 || status === 403) {
    return new UserError('Kubernetes refuses exec', {
      code: 'kubernetes_forbidden',
      status: 403,
      remedy: 'Allow create on pods/exec in the namespace of the pods.',
      cause: error,
    });
  }
  return new TransientError(`pod ${pod} can't be reached: ${message ?? 'no reason given'}`, {
    code: 'exec_unreachable',
    cause: error,
  });
}
