import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { inherited } from './inherited.config.js';

/** Root of the checkout. */
export const ROOT = findRoot(import.meta.dirname);

export interface CapstanOptions {
  readonly dataDir: string;
  readonly port: number;
  /** Further variables, e.g. `CAPSTAN_MAX_CONCURRENT`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Told each line that the launcher prints that is no event. */
  readonly progress?: (event: Readonly<Record<string, unknown>>) => void;
  readonly readyWithinMs?: number;
}

/** A refusal of the gateway's. */
export class AnswerError extends Error {
  constructor(
    message: string,
    readonly status: number,
    /** When to come again; 0 where it said nothing of that. */
    readonly retryAfterMs: number,
  ) {
    super(message);
  }
}

/**
 * Capstan as a person runs it, for black-box tests and the demo: the launcher in a process of its own, spoken to over
 * REST only.
 */
export class CapstanProcess {
  private constructor(
    private readonly options: CapstanOptions,
    private readonly child: ChildProcess,
    readonly url: string,
    /** Undefined once somebody has set it up. */
    readonly setUpToken: string | undefined,
  ) {}

  /** Starts the launcher and waits until everything answers. Throws with the end of the log when it doesn't. */
  static async start(options: CapstanOptions): Promise<CapstanProcess> {
    const child = spawn(process.execPath, [join(ROOT, 'services/cli/dist/main.js'), 'up', '-o', 'json'], {
      cwd: ROOT,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...inherited(), ...options.env, CAPSTAN_DATA_DIR: options.dataDir, CAPSTAN_PORT: String(options.port) },
    });
    const said: string[] = [];
    const ready = await new Promise<Record<string, unknown>>((resolve, reject) => {
      const fail = (why: string): void => {
        clearTimeout(timer);
        reject(new Error(`${why}\n${said.slice(-20).join('\n')}\n${tail(options.dataDir)}`));
      };
      const timer = setTimeout(() => fail('Capstan did not become ready'), options.readyWithinMs ?? 60_000);
      child.once('exit', (code) => fail(`The launcher ended with ${code}`));
      createInterface({ input: child.stderr! }).on('line', (line) => said.push(line));
      createInterface({ input: child.stdout! }).on('line', (line) => {
        said.push(line);
        const event = parse(line);
        options.progress?.(event);
        if (event['event'] !== 'ready' || typeof event['url'] !== 'string') return;
        clearTimeout(timer);
        child.removeAllListeners('exit');
        resolve(event);
      });
    }).catch((error: unknown) => {
      child.kill('SIGKILL');
      throw error;
    });
    const setUp = typeof ready['setUpUrl'] === 'string' ? /token=([^&]+)/.exec(ready['setUpUrl'])?.[1] : undefined;
    return new CapstanProcess(options, child, String(ready['url']), setUp);
  }

  get pid(): number {
    return this.child.pid!;
  }
  get logFile(): string {
    return join(this.options.dataDir, 'log', 'host.log');
  }
  /** The token of the `capstan` command on this machine: acts as the first user. */
  get token(): string {
    return (JSON.parse(readFileSync(join(this.options.dataDir, 'cli.json'), 'utf8')) as { token: string }).token;
  }
  /** Process id of the host that the launcher runs. */
  get hostPid(): number {
    return (JSON.parse(readFileSync(join(this.options.dataDir, 'launcher.json'), 'utf8')) as { host: { pid: number } })
      .host.pid;
  }

  /** One REST call as the first user; throws with the problem's words on anything but success. */
  async call<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<T> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok)
      throw new AnswerError(
        `${method} ${path}: ${response.status} ${text.slice(0, 2_000)}`,
        response.status,
        Number(response.headers.get('retry-after') ?? '0') * 1_000,
      );
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** Makes the first user and workspace. */
  async setUp(user: {
    readonly name: string;
    readonly email: string;
    readonly password: string;
    readonly workspaceName: string;
  }): Promise<void> {
    if (this.setUpToken === undefined) return;
    const response = await fetch(`${this.url}/api/set-up`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: this.url },
      body: JSON.stringify({ token: this.setUpToken, ...user }),
    });
    if (!response.ok) throw new Error(`set-up: ${response.status} ${await response.text()}`);
  }

  /** Ends it as `capstan down --agents` does: everything, agents too. Resolves when no process is left. */
  down(): Promise<void> {
    return bringDown(this.options.dataDir);
  }

  /** What a power cut does: the launcher and its host are gone at once; Postgres and NATS too when asked. */
  killHard({ servers }: { readonly servers: boolean }): void {
    const pids = [this.pid, this.hostPid, ...(servers ? this.serverPids() : [])];
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
  }

  serverPids(): number[] {
    const file = join(this.options.dataDir, 'servers.json');
    if (!existsSync(file)) return [];
    const pids: number[] = [];
    JSON.parse(readFileSync(file, 'utf8'), (key, value: unknown) => {
      if (key === 'pid' && typeof value === 'number') pids.push(value);
      return value;
    });
    return pids;
  }
}

/**
 * Ends whatever runs on a data directory, agents too, also what a killed launcher left. Resolves when no process is left;
 * nothing to end is fine.
 */
export async function bringDown(dataDir: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const args = [join(ROOT, 'services/cli/dist/main.js'), 'down', '--agents'];
    const env = { ...inherited(), CAPSTAN_DATA_DIR: dataDir };
    const down = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], env });
    const said: string[] = [];
    for (const stream of [down.stdout, down.stderr]) stream.on('data', (chunk: Buffer) => said.push(chunk.toString()));
    down.once('error', reject);
    down.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`capstan down ended with ${code}: ${said.join('')}`)),
    );
  });
}

function parse(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : { text: line };
  } catch {
    return { text: line };
  }
}

function tail(dataDir: string): string {
  const file = join(dataDir, 'log', 'host.log');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(-25).join('\n') : '';
}

function findRoot(from: string): string {
  for (let at = from; ; at = dirname(at)) {
    if (existsSync(join(at, 'nx.json'))) return at;
    if (at === dirname(at)) throw new Error(`no checkout above ${from}`);
  }
}
