import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CreateRepository, LogPage, PullRequest, Repository, Task, TaskDetail, TaskEvent } from '@capstan/api';
import pg from 'pg';
import { CapstanProcess, ROOT } from './capstan-process.js';
import { eventually } from './eventually.js';
import { freePorts } from './free-ports.js';
import {
  runRepositoryChecks,
  startGitHubDouble,
  type GitHubDouble,
  type RepositoryChecks,
} from './github-double/index.js';
import type { RepositoryChecksOptions } from './github-double/index.js';
import { processesOf, type LeftBehind } from './left-behind.js';

type LogLine = LogPage['lines'][number];

/** The repository that a system has when none is named: its test fails while a file in work/ says RED. */
export const SYSTEM_FILES: Readonly<Record<string, string>> = {
  'README.md': '# app\n',
  'test.mjs': `import { existsSync, readFileSync, readdirSync } from 'node:fs';
const files = existsSync('work') ? readdirSync('work') : [];
const red = files.filter((file) => readFileSync('work/' + file, 'utf8').includes('RED'));
for (const file of red) console.error(file + ' is RED');
process.exitCode = red.length === 0 ? 0 : 1;
`,
};

export interface SystemRepository {
  readonly fullName: string;
  readonly files?: Readonly<Record<string, string>>;
  /** Default: none is required. */
  readonly requiredChecks?: readonly string[];
  /** Default true: the forge delivers to Capstan. */
  readonly webhook?: boolean;
  /** Default true: the CI runs the repository's test.mjs. */
  readonly ci?: boolean;
  readonly settings?: Partial<CreateRepository>;
}

export interface SystemOptions {
  /** Default: acme/app with a test. */
  readonly repositories?: readonly SystemRepository[];
  /** Over the default: `node test.mjs` as check `test`. */
  readonly ci?: Partial<RepositoryChecksOptions>;
  /** Program and arguments; default: test/support/agent/ticket-agent.mjs, which does what the ticket's body says. */
  readonly agent?: readonly string[];
  /** Further variables of Capstan. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default true: makes the first user and adds the repositories. */
  readonly setUp?: boolean;
}

/** What the ticket agent tells when a ticket's `do: name …` is reached. */
export interface AgentReport {
  readonly pid: number;
  readonly children: readonly number[];
  readonly prompt: string;
  readonly environment: Readonly<Record<string, string>>;
}

export const LABEL = 'capstan';

/**
 * Capstan as a person runs it, beside a forge with a CI, in directories and on ports of its own. Everything ends with
 * `stop`, also what a crashed launcher left.
 */
export class System {
  readonly repositories = new Map<string, Repository>();
  readonly password = `Pa55-${randomBytes(18).toString('base64url')}`;
  readonly email = 'ada@example.org';
  readonly webhookSecret = randomBytes(24).toString('hex');
  readonly gates: string;
  /** Where its state is: another one once it was restored elsewhere. */
  dataDir: string;
  forge!: GitHubDouble;
  checks!: RepositoryChecks;
  capstan!: CapstanProcess;
  /** The token that Capstan acts with at the forge. */
  forgeToken = '';
  private port = 0;
  private readonly unchecked = new Set<string>();
  private readonly clients: pg.Client[] = [];

  constructor(
    /** Everything of this system is below it. */
    readonly dir: string,
    private readonly options: SystemOptions,
  ) {
    this.gates = join(dir, 'gates');
    this.dataDir = join(dir, 'capstan');
  }

  /** Called once, by `aSystem`. */
  async begin(): Promise<void> {
    mkdirSync(this.gates, { recursive: true, mode: 0o700 });
    this.forge = await startGitHubDouble({ dir: join(this.dir, 'forge'), validate: false, rateLimit: 1_000_000 });
    const { repositories = [{ fullName: 'acme/app' }], ci, setUp = true } = this.options;
    this.checks = runRepositoryChecks(this.forge, {
      checkName: 'test',
      command: (fullName) => (this.unchecked.has(fullName) ? undefined : [process.execPath, 'test.mjs']),
      ...ci,
    });
    this.forgeToken = this.forge.createToken({ login: 'capstan-bot', permissions: 'write' });
    this.port = await freePorts(4);
    await this.start();
    if (!setUp) return;
    const { email, password } = this;
    await this.capstan.setUp({ name: 'Ada', email, password, workspaceName: 'Spec' });
    for (const repository of repositories) await this.addRepository(repository);
  }

  /** Starts Capstan on the data directory, whatever is there. */
  async start(): Promise<void> {
    this.capstan = await CapstanProcess.start({
      dataDir: this.dataDir,
      port: this.port,
      env: {
        CAPSTAN_STRICT_ANSWERS: 'true',
        CAPSTAN_PR_WATCH_INTERVAL_MS: '2000',
        CAPSTAN_TICKET_POLL_INTERVAL_MS: '2000',
        // The ticket agent and the spec speak through files outside of its worktree.
        CAPSTAN_ISOLATION: 'off',
        // Nothing of whoever runs the tests.
        CAPSTAN_LOGIN_HOME: '',
        ...this.options.env,
      },
      readyWithinMs: 90_000,
    });
  }

  /** What a repository's agent is started with. */
  get agentArgv(): string[] {
    return [
      ...(this.options.agent ?? [process.execPath, join(ROOT, 'test/support/agent/ticket-agent.mjs'), this.gates]),
    ];
  }

  async addRepository(wanted: SystemRepository): Promise<Repository> {
    const { fullName } = wanted;
    if (wanted.ci === false) this.unchecked.add(fullName);
    await this.forge.createRepository(fullName, { files: wanted.files ?? SYSTEM_FILES });
    if (wanted.requiredChecks !== undefined)
      this.forge.branchRules(fullName, 'main', { requiredChecks: wanted.requiredChecks });
    const repository = await this.capstan.call<Repository>('POST', '/api/repositories', {
      fullName,
      apiUrl: this.forge.apiUrl,
      token: this.forgeToken,
      webhookSecret: this.webhookSecret,
      label: LABEL,
      agent: { agent: 'command', argv: this.agentArgv, output: 'text' },
      autoMerge: true,
      maxConcurrentTasks: 5,
      maxAgentsPerPod: 5,
      ...wanted.settings,
    });
    if (wanted.webhook !== false)
      this.forge.createWebhook(fullName, {
        url: `${this.capstan.url}/hooks/github/${repository.id}`,
        secret: this.webhookSecret,
        events: ['*'],
      });
    this.repositories.set(fullName, repository);
    return repository;
  }

  get<T>(path: string): Promise<T> {
    return this.capstan.call<T>('GET', path);
  }
  post<T>(path: string, body: unknown = {}): Promise<T> {
    return this.capstan.call<T>('POST', path, body);
  }

  repositoryId(fullName = 'acme/app'): string {
    const repository = this.repositories.get(fullName);
    if (repository === undefined) throw new Error(`this system has no ${fullName}`);
    return repository.id;
  }

  /** Files a labelled issue whose body tells the ticket agent what to do. */
  ticket(title: string, lines: readonly string[], fullName = 'acme/app'): Promise<number> {
    return this.forge.createIssue(fullName, { title, body: script(lines), labels: [LABEL], author: 'ada' });
  }

  /** The newest task of a ticket, once there is one; `but` names earlier ones. */
  taskOf(number: number, fullName = 'acme/app', but: readonly string[] = []): Promise<Task> {
    return eventually(async () => {
      const { items } = await this.get<{ items: Task[] }>(`/api/tasks?limit=200`);
      const found = items.find(
        ({ id, ticket, repository }) =>
          ticket !== null && Number(ticket.key) === number && repository.fullName === fullName && !but.includes(id),
      );
      if (found === undefined) throw new Error(`no task of ${fullName}#${number} yet`);
      return found;
    }, 60_000);
  }

  /** A task made over REST, with the same script as a ticket. */
  task(title: string, lines: readonly string[], over: Record<string, unknown> = {}): Promise<Task> {
    return this.post<Task>('/api/tasks', { repositoryId: this.repositoryId(), title, body: script(lines), ...over });
  }

  detail(id: string): Promise<TaskDetail> {
    return this.get<TaskDetail>(`/api/tasks/${id}`);
  }

  /** Waits until a task is in a state; fails with its life when it isn't in time. */
  async untilState(id: string, state: Task['state'], withinMs = 45_000): Promise<TaskDetail> {
    return this.until(id, state, (detail) => detail.state === state, withinMs);
  }

  async until(id: string, what: string, met: (detail: TaskDetail) => boolean, withinMs = 45_000): Promise<TaskDetail> {
    let endedBefore = false;
    try {
      const seen = await eventually(
        async () => {
          const detail = await this.detail(id);
          if (met(detail)) return { detail };
          const why = `${detail.title} is ${detail.state} ${detail.attention?.detail ?? detail.waiting?.detail ?? ''}`;
          // Nothing moves a task out of these by itself: no use in waiting on, once it was seen so a second time.
          if (!['failed', 'cancelled'].includes(detail.state)) endedBefore = false;
          else if (endedBefore) return { why };
          else endedBefore = true;
          throw new Error(why);
        },
        withinMs,
        50,
      );
      if ('why' in seen) throw new Error(seen.why);
      return seen.detail;
    } catch (error) {
      const life = await this.life(id).catch(() => []);
      const lines = life.map(({ at, cause }) => `  ${at} ${cause}`).join('\n');
      throw new Error(`waited ${withinMs} ms for ${what}: ${String(error)}\n${lines}`);
    }
  }

  /** Waits until an issue is closed, by whomever. */
  async untilTicketClosed(number: number, withinMs = 20_000, fullName = 'acme/app'): Promise<void> {
    const look = async () => (await this.atForge<{ state: string }>(`/repos/${fullName}/issues/${number}`)).state;
    await eventually(async () => (await look()) === 'closed', withinMs, 50);
  }

  async life(id: string): Promise<readonly TaskEvent[]> {
    return (await this.get<{ items: TaskEvent[] }>(`/api/tasks/${id}/events?limit=200`)).items;
  }

  pullRequests(taskId: string): Promise<readonly PullRequest[]> {
    return this.get<{ items: PullRequest[] }>(`/api/pull-requests?taskId=${taskId}`).then(({ items }) => items);
  }

  /** All lines of a run, by REST. */
  async log(runId: string): Promise<readonly LogLine[]> {
    const lines: LogLine[] = [];
    for (;;) {
      const after = lines.at(-1)?.sequence ?? 0;
      const page = await this.get<{ lines: LogLine[]; head: number }>(
        `/api/runs/${runId}/log?after=${after}&limit=5000`,
      );
      lines.push(...page.lines);
      if (page.lines.length === 0) return lines;
    }
  }

  /** Opens a gate that an agent holds at. */
  open(gate: string): void {
    writeFileSync(join(this.gates, gate), '');
  }

  /** What the agent of that name told in its nth run, once it has. */
  agent(name: string, run = 1, withinMs = 45_000): Promise<AgentReport> {
    return eventually(
      () => JSON.parse(readFileSync(join(this.gates, `${name}.${run}.json`), 'utf8')) as AgentReport,
      withinMs,
    );
  }

  /** The database, as its superuser: past row-level security. */
  async database(): Promise<pg.Client> {
    const { postgres } = this.servers();
    const client = new pg.Client({
      connectionString: `postgres://postgres:${postgres.superuserPassword}@127.0.0.1:${postgres.port}/capstan`,
    });
    client.on('error', () => undefined); // a killed server ends it; the next query says so
    await client.connect();
    this.clients.push(client);
    return client;
  }

  /** What a client of the NATS server connects with. */
  natsAccess(): { readonly servers: string; readonly user: string; readonly pass: string } {
    const { nats } = this.servers();
    return { servers: `127.0.0.1:${nats.port}`, user: 'capstan', pass: nats.password };
  }

  /** The servers' own state file. */
  servers(): {
    postgres: { port: number; superuserPassword: string; password: string; process: { pid: number } };
    nats: { port: number; password: string; process: { pid: number } };
  } {
    return JSON.parse(readFileSync(join(this.dataDir, 'servers.json'), 'utf8'));
  }

  /** A REST call at the forge, with Capstan's token. */
  async atForge<T>(path: string): Promise<T> {
    const response = await fetch(`${this.forge.apiUrl}${path}`, {
      headers: { authorization: `Bearer ${this.forgeToken}` },
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  /** Everything ends; nothing of it stays on disk. Safe to call twice. */
  async stop(): Promise<readonly LeftBehind[]> {
    for (const client of this.clients.splice(0)) await client.end().catch(() => undefined);
    const faults: unknown[] = [];
    const attempt = (work: Promise<unknown> | undefined) => work?.catch((error: unknown) => faults.push(error));
    await attempt(this.checks?.close());
    await attempt(this.capstan?.down());
    await attempt(this.forge?.close());
    const left = await this.leftBehind();
    for (const { pid } of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // ended meanwhile
      }
    }
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
    if (faults.length > 0) throw faults[0];
    return left;
  }

  /** Processes that still have to do with this system after a moment to end in. */
  async leftBehind(): Promise<readonly LeftBehind[]> {
    await eventually(() => processesOf(this.dir).length === 0, 3_000, 50).catch(() => undefined);
    return processesOf(this.dir);
  }

  /** The test that everything was ended: no process, no server of this data directory. */
  async expectNothingLeft(): Promise<void> {
    const left = await this.stop();
    if (left.length > 0)
      throw new Error(`left behind:\n${left.map(({ pid, command }) => `  ${pid} ${command}`).join('\n')}`);
  }
}

/** The body of a ticket for the ticket agent. */
export function script(lines: readonly string[]): string {
  return lines.map((line) => (line.startsWith('do') ? line : `do: ${line}`)).join('\n');
}

/** Commands of the ticket agent for a change that goes through. */
export function change(name: string): readonly string[] {
  return [`name ${name}`, `write work/${name}.txt fine`, `commit Add ${name}`];
}

/** Capstan and a forge, started. When it can't be, nothing of it stays. */
export async function aSystem(options: SystemOptions = {}): Promise<System> {
  const system = new System(mkdtempSync(join(tmpdir(), 'capstan-e2e-')), options);
  try {
    await system.begin();
    return system;
  } catch (error) {
    await system.stop().catch(() => undefined);
    throw error;
  }
}
