import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import type { CreateRepository, Repository, Task } from '@capstan/api';
import { CapstanProcess, ROOT, startGitHubDouble, type GitHubDouble } from '@capstan/test-support';
import { sleep } from './clock.js';

const SETTLE_WITHIN_MS = 240_000;
const LOOK_MS = 50;

/** All limits out of the way: what is measured is Capstan, not its settings. */
const ENVIRONMENT = { CAPSTAN_MAX_CONCURRENT: '10000', CAPSTAN_WORKER_SLOTS: '1000' };

export interface StageRepository {
  readonly id: string;
  readonly fullName: string;
}

/** One whole Capstan on this machine, and a forge beside it in this process. Spoken to by REST; times by SQL. */
export class Stage {
  private constructor(
    private readonly dataDir: string,
    private readonly forge: GitHubDouble,
    readonly capstan: CapstanProcess,
    private readonly pool: pg.Pool,
    readonly databaseUrl: string,
  ) {}

  /** Starts everything on an empty data directory. */
  static async open(dataDir: string): Promise<Stage> {
    const forge = await startGitHubDouble({ dir: join(dataDir, 'forge'), validate: false, rateLimit: 1_000_000 });
    try {
      const capstanDir = join(dataDir, 'capstan');
      const capstan = await CapstanProcess.start({ dataDir: capstanDir, port: await freePort(), env: ENVIRONMENT });
      const password = randomBytes(18).toString('base64url');
      await capstan.setUp({ name: 'Bench', email: 'bench@example.org', password, workspaceName: 'Bench' });
      const databaseUrl = databaseUrlOf(capstanDir);
      const pool = new pg.Pool({ connectionString: databaseUrl, max: 4 });
      pool.on('error', () => undefined); // the server ends first, at the end
      return new Stage(dataDir, forge, capstan, pool, databaseUrl);
    } catch (error) {
      await forge.close();
      throw error;
    }
  }

  /** A repository with one commit, whose agent is a script of test/bench/agent. */
  async repository(
    name: string,
    settings: Partial<CreateRepository> & { readonly script: string; readonly arguments?: readonly string[] },
  ): Promise<StageRepository> {
    const fullName = `bench/${name}`;
    const { script, arguments: rest = [], ...given } = settings;
    await this.forge.createRepository(fullName, { files: { 'README.md': `# ${name}\n` } });
    const { id } = await this.capstan.call<Repository>('POST', '/api/repositories', {
      fullName,
      apiUrl: `${this.forge.url}/api/v3`,
      token: this.forge.createToken({ login: 'capstan-bot', permissions: 'write' }),
      watchIssues: false,
      autoMerge: false,
      agent: { agent: 'command', argv: ['bash', join(ROOT, 'test/bench/agent', script), ...rest], output: 'ndjson' },
      ...given,
    } satisfies CreateRepository);
    return { id, fullName };
  }

  /** Asks for a task; answers its id. */
  async post(repository: StageRepository, title: string): Promise<string> {
    const { id } = await this.capstan.call<Task>('POST', '/api/tasks', { repositoryId: repository.id, title });
    return id;
  }

  async query<Row extends pg.QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.pool.query<Row>(sql, [...values])).rows;
  }

  /** Waits until the runs of these tasks are finished, one each at least. */
  async untilFinished(taskIds: readonly string[]): Promise<void> {
    await this.until(`${taskIds.length} tasks to finish their runs`, async () => {
      const [row] = await this.query<{ done: number }>(
        `select count(distinct task_id)::int as done from run where task_id = any($1) and state = 'finished'`,
        [taskIds],
      );
      return row!.done === taskIds.length;
    });
  }

  async until(what: string, met: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + SETTLE_WITHIN_MS;
    while (!(await met())) {
      if (performance.now() > end) throw new Error(`waited ${SETTLE_WITHIN_MS / 1000} s for ${what}`);
      await sleep(LOOK_MS);
    }
  }

  /** Pull requests that the forge itself has of a repository. */
  async pullRequestsAtForge({ fullName }: StageRepository): Promise<{ head: string }[]> {
    const token = this.forge.createToken({ login: 'bench', permissions: 'read' });
    const response = await fetch(`${this.forge.apiUrl}/repos/${fullName}/pulls?state=all&per_page=100`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return ((await response.json()) as { head: { ref: string } }[]).map(({ head }) => ({ head: head.ref }));
  }

  /** Process ids of the launcher, the host and both servers. */
  processes(): Readonly<Record<string, number>> {
    const servers = JSON.parse(readFileSync(join(this.dataDir, 'capstan', 'servers.json'), 'utf8')) as {
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

function databaseUrlOf(capstanDir: string): string {
  const { postgres } = JSON.parse(readFileSync(join(capstanDir, 'servers.json'), 'utf8')) as {
    postgres: { port: number; password: string };
  };
  return `postgres://capstan:${postgres.password}@127.0.0.1:${postgres.port}/capstan`;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
