import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './capstan-process.js';
import { freePorts } from './free-ports.js';
import { inherited } from './inherited.config.js';

export interface LoneHostEnd {
  readonly code: number | null;
  readonly said: string;
}

/** A host process of its own beside a running Capstan's servers, with the services that it is told. */
export class LoneHost {
  private said = '';
  readonly ended: Promise<LoneHostEnd>;
  private readonly ready: Promise<void>;

  private constructor(
    private readonly child: ChildProcess,
    readonly internalUrl: string,
  ) {
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk: Buffer) => (this.said += chunk.toString()));
    this.ended = new Promise((resolve) => child.once('close', (code) => resolve({ code, said: this.said })));
    this.ready = new Promise((resolve, reject) => {
      child.on('message', (message: { kind?: string }) => message.kind === 'ready' && resolve());
      void this.ended.then(({ code, said }) =>
        reject(new Error(`the host ended with ${code}:\n${said.slice(-3_000)}`)),
      );
    });
    this.ready.catch(() => undefined); // whoever waits for it is told
  }

  /** With the environment that the launcher of this data directory would give it, and `env` over it. */
  static async start(
    { dataDir }: { readonly dataDir: string },
    services: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<LoneHost> {
    const read = <T>(file: string): T => JSON.parse(readFileSync(join(dataDir, file), 'utf8')) as T;
    const { postgres, nats } = read<Record<'postgres' | 'nats', { port: number; password: string }>>('servers.json');
    const { encryptionKey } = read<{ encryptionKey: string }>('secrets.json');
    // Where the launcher's egress is, or where one in a host of its own is to be.
    const egress = read<{ port: number }>('egress.json');
    const port = await freePorts(4);
    const child = spawn(process.execPath, [join(ROOT, 'services/cli/dist/host.js')], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: {
        ...inherited(),
        CAPSTAN_DATA_DIR: dataDir,
        CAPSTAN_DATABASE_URL: `postgres://capstan:${postgres.password}@127.0.0.1:${postgres.port}/capstan`,
        CAPSTAN_NATS_URL: `nats://capstan:${nats.password}@127.0.0.1:${nats.port}`,
        CAPSTAN_ENCRYPTION_KEY: encryptionKey,
        CAPSTAN_PORT: String(port),
        CAPSTAN_WEBHOOKS_PORT: String(port + 1),
        CAPSTAN_INTERNAL_PORT: String(port + 2),
        CAPSTAN_EGRESS_PORT: String(port + 3),
        CAPSTAN_EGRESS_URL: `http://127.0.0.1:${egress.port}`,
        CAPSTAN_ISOLATION: 'off',
        CAPSTAN_SERVICES: services,
        CAPSTAN_PR_WATCH_INTERVAL_MS: '2000',
        CAPSTAN_TICKET_POLL_INTERVAL_MS: '2000',
        ...env,
      },
    });
    return new LoneHost(child, `http://127.0.0.1:${env['CAPSTAN_INTERNAL_PORT'] ?? port + 2}`);
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Resolves when all its services answer; rejects with its words when it ends before. */
  untilReady(): Promise<void> {
    return this.ready;
  }

  /** What a power cut does to it. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  async stop(): Promise<LoneHostEnd> {
    this.child.kill('SIGTERM');
    return this.ended;
  }
}
