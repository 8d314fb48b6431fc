import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { CreateRepository, Repository, Task } from '@capstan/api';
import {
  AnswerError,
  CapstanProcess,
  ROOT,
  freePorts,
  startGitHubDouble,
  type GitHubDouble,
} from '@capstan/test-support';
import { sleep } from './clock.js';

const SETTLE_WITHIN_MS = 240_000;
const LOOK_MS = 50;
/** Of a request that is told to come again. */
const MAX_TRIES = 120;

/** All limits out of the way: what is measured is Capstan, not its settings. */
const ENVIRONMENT = { CAPSTAN_MAX_CONCURRENT: '10000', CAPSTAN_WORKER_SLOTS: '1000' };

export interface StageRepository {
  readonly id: string;
  readonly fullName: string;
}

export interface StageRepositorySettings extends Partial<CreateRepository> {
  /** Of test/bench/agent. */
  readonly script: string;
  readonly arguments?: readonly string[];
  /** Default: a README.md. */
  readonly files?: Readonly<Record<string, string>>;
  /** Default false: the forge delivers nothing. */
  readonly webhook?: boolean;
  /** Required by the forge on main. Default: none. */
  readonly requiredChecks?: readonly string[];
}

/** One whole Capstan on this machine, and a forge beside it in this process. Spoken to by REST; times by SQL. */
export class Stage {
  private constructor(
    /** Capstan's data directory. */
    readonly dataDir: string,
    private readonly forgeDir: string,
    readonly forge: GitHubDouble,
    readonly forgeToken: string,
    readonly capstan: CapstanProcess,
    private readonly pool: pg.Pool,
    readonly databaseUrl: string,
    /** Of the first user. */
    readonly account: { readonly email: string; readonly password: string },
  ) {}

  /** Starts everything on an empty directory; `env` is added to Capstan's. */
  static async open(directory: string, env: Readonly<Record<string, string>> = {}): Promise<Stage> {
    const forgeDir = join(directory, 'forge');
    const forge = await startGitHubDouble({ dir: forgeDir, validate: false, rateLimit: 1_000_000 });
    try {
      const dataDir = join(directory, 'capstan');
      const capstan = await CapstanProcess.start({
        dataDir,
        port: await freePorts(4),
        env: { ...ENVIRONMENT, ...env },
      });
      const account = { email: 'bench@example.org', password: randomBytes(18).toString('base64url') };
      await capstan.setUp({ name: 'Bench', ...account, workspaceName: 'Bench' });
      const databaseUrl = databaseUrlOf(dataDir);
      const pool = new pg.Pool({ connectionString: databaseUrl, max: 4 });
      pool.on('error', () => undefined); // the server ends first, at the end
      const token = forge.createToken({ login: 'capstan-bot', permissions: 'write' });
      return new Stage(dataDir, forgeDir, forge, token, capstan, pool, databaseUrl, account);
    } catch (error) {
      await forge.close();
      throw error;
    }
  }

  /** A repository with one commit, whose agent is a script of test/bench/agent. */
  async repository(name: string, settings: StageRepositorySettings): Promise<StageRepository> {
    const fullName = `bench/${name}`;
    const { script, arguments: rest = [], files, webhook = false, requiredChecks, ...given } = settings;
    await this.forge.createRepository(fullName, { files: files ?? { 'README.md': `# ${name}\n` } });
    if (requiredChecks !== undefined) this.forge.branchRules(fullName, 'main', { requiredChecks });
    const webhookSecret = randomBytes(24).toString('hex');
    const { id } = await this.capstan.call<Repository>('POST', '/api/repositories', {
      fullName,
      apiUrl: `${this.forge.url}/api/v3`,
      token: this.forgeToken,
      webhookSecret,
      watchIssues: false,
      autoMerge: false,
      agent: { agent: 'command', argv: ['bash', join(ROOT, 'test/bench/agent', script), ...rest], output: 'ndjson' },
      ...given,
    } satisfies CreateRepository);
    const hook = { url: `${this.capstan.url}/hooks/github/${id}`, secret: webhookSecret, events: ['*'] };
    if (webhook) this.forge.createWebhook(fullName, hook);
    return { id, fullName };
  }

  /** Directory of a repository at the forge. */
  bareRepository({ fullName }: StageRepository): string {
    return join(this.forgeDir, 'repositories', `${fullName}.git`);
  }

  /** Asks for a task; answers its id. */
  async post(repository: StageRepository, title: string): Promise<string> {
    const { id } = await this.capstan.call<Task>('POST', '/api/tasks', { repositoryId: repository.id, title });
    return id;
  }

  /** As `post`; told to come again by a busy gateway (503, Retry-After) it does, as the same request. */
  async postPatiently(repository: StageRepository, title: string): Promise<string> {
    const key = { 'idempotency-key': randomUUID() };
    const body = { repositoryId: repository.id, title };
    for (let tries = 1; ; tries += 1) {
      try {
        return (await this.capstan.call<Task>('POST', '/api/tasks', body, key)).id;
      } catch (error) {
        if (!(error instanceof AnswerError) || error.status !== 503 || tries === MAX_TRIES) throw error;
        await sleep(Math.max(1_000, error.retryAfterMs));
      }
    }
  }

  async query<Row extends pg.QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.pool.query<Row>(sql, [...values])).rows;
  }

  /** Waits until the runs of these tasks are finished, one each at least. */
  async untilFinished(taskIds: readonly string[]): Promise<void> {
    await this.untilRuns(taskIds, 'finished');
  }

  /** Waits until each of these tasks has a run in that state. */
  async untilRuns(
    taskIds: readonly string[],
    state: 'running' | 'finished',
    waiting: { readonly lookMs?: number; readonly withinMs?: number } = {},
  ): Promise<void> {
    const hasAll = async (): Promise<boolean> => {
      const [row] = await this.query<{ done: number }>(
        `select count(distinct task_id)::int as done from run where task_id = any($1) and state = $2`,
        [taskIds, state],
      );
      return row!.done === taskIds.length;
    };
    await this.until(`${taskIds.length} tasks to have a ${state} run`, hasAll, waiting);
  }

  async until(
    what: string,
    met: () => Promise<boolean>,
    { lookMs = LOOK_MS, withinMs = SETTLE_WITHIN_MS }: { readonly lookMs?: number; readonly withinMs?: number } = {},
  ): Promise<void> {
    const end = performance.now() + withinMs;
    while (!(await met())) {
      if (performance.now() > end) throw new Error(`waited ${withinMs / 1000} s for ${what}`);
      await sleep(lookMs);
    }
  }

  /** One REST call at the forge; throws on anything but success. */
  async atForge<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.forge.apiUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.forgeToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  /** Pull requests that the forge itself has of a repository. */
  async pullRequestsAtForge({ fullName }: StageRepository): Promise<{ head: string }[]> {
    const path = `/repos/${fullName}/pulls?state=all&per_page=100`;
    const found = await this.atForge<{ head: { ref: string } }[]>('GET', path);
    return found.map(({ head }) => ({ head: head.ref }));
  }

  /** Process ids of the launcher, the host and both servers. */
  processes(): Readonly<Record<string, number>> {
    const servers = JSON.parse(readFileSync(join(this.dataDir, 'servers.json'), 'utf8')) as {
      postgres: { process: { pid: number } };
      nats: { process: { pid: number } };
    };
    return {
      launcher: this.capstan.pid,
      host: this.capstan.hostPid,
      postgres: servers.postgres.process.pid,
      nats: servers.nats.process.pid,
    };
  }

  /** Ends every process. */
  async close(): Promise<void> {
    await this.pool.end();
    try {
      await this.capstan.down();
    } finally {
      await this.forge.close();
    }
  }
}

/** Makes the directory new, so that no earlier run lends speed or ballast. */
export function emptyDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
}

function databaseUrlOf(dataDir: string): string {
  const { postgres } = JSON.parse(readFileSync(join(dataDir, 'servers.json'), 'utf8')) as {
    postgres: { port: number; password: string };
  };
  return `postgres://capstan:${postgres.password}@127.0.0.1:${postgres.port}/capstan`;
}
