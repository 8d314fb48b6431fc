import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { CreateRepository, PullRequest, Repository, Task, TaskDetail, TaskEvent } from '@capstan/api';
import {
  CapstanProcess,
  ROOT,
  bringDown,
  runRepositoryChecks,
  startGitHubDouble,
  type GitHubDouble,
  type RepositoryChecks,
} from '@capstan/test-support';
import { CLI_PATH, INSTALL_AGENTS, ScriptedModel } from '@capstan/test-support/agents';
import type { DemoConfig } from './demo.config.js';
import { DEMO_FILES, DEMO_TICKET, REPAIR } from './demo-repository.js';
import type { Narrator } from './narrator.js';
import { Presence } from './presence.js';
import { Stopwatch, type DemoSeconds } from './stopwatch.js';

const FULL_NAME = 'acme/abacus';
/** The file that says that a demo runs. */
const SIGN = 'demo.json';
const POLL_MS = 40;
const STEP_WITHIN_MS = 90_000;
/** A model that thinks takes its time. */
const THINKING_WITHIN_MS = 900_000;

/** The last line that `npm run demo -- --once` prints. */
export interface DemoResult {
  readonly taskId: string;
  readonly pullRequestUrl: string;
  readonly mergeCommit: string;
  readonly ticketState: string;
  readonly seconds: DemoSeconds;
}

/** A forge with a broken package, Capstan beside it, and one ticket between them. */
export class Demo {
  private presence: Presence | undefined;
  private forge: GitHubDouble | undefined;
  private capstan: CapstanProcess | undefined;
  private checks: RepositoryChecks | undefined;
  private model: ScriptedModel | undefined;
  private forgeToken = '';
  private readonly watch: Stopwatch;
  private readonly seconds: Partial<DemoSeconds> = {};

  constructor(
    private readonly config: DemoConfig,
    private readonly narrator: Narrator,
  ) {
    this.watch = new Stopwatch(config.installMs);
    this.seconds.install = Math.round(config.installMs) / 1000;
  }

  get logFile(): string {
    return join(this.config.dataDir, 'capstan', 'log', 'host.log');
  }

  /** Starts everything and carries one ticket to a merged pull request. */
  async run(): Promise<DemoResult> {
    await this.start();
    const repository = await this.addRepository();
    this.seconds.start = this.watch.lap();
    this.narrator.step('Capstan is up, with a demo forge and a repository whose test fails', this.seconds.start);
    await this.showLink();
    this.narrator.headline('One ticket');
    const ticket = await this.forge!.createIssue(FULL_NAME, {
      title: DEMO_TICKET.title,
      body: DEMO_TICKET.body,
      labels: [DEMO_TICKET.label],
      author: 'ada',
    });
    this.watch.lap();
    return this.follow(repository, ticket);
  }

  /** Ends all processes and the forge. Safe to call at any time. */
  async stop(): Promise<void> {
    await this.checks?.close();
    await this.capstan?.down();
    await this.forge?.close();
    await this.model?.stop();
    this.model = undefined;
    await this.presence?.end();
    this.presence = undefined;
  }

  private async start(): Promise<void> {
    const { dataDir } = this.config;
    const other = await Presence.find(join(dataDir, SIGN));
    if (other !== undefined) throw new Error(`A demo runs already (process ${other}). Stop it with Ctrl-C there.`);
    if (existsSync(join(dataDir, 'capstan'))) {
      // A demo that was killed leaves Capstan running, which outlives everything: that is what it is for.
      await bringDown(join(dataDir, 'capstan'));
    }
    rmSync(dataDir, { recursive: true, force: true });
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    this.presence = await Presence.announce(join(dataDir, SIGN));
    this.forge = await startGitHubDouble({ dir: join(dataDir, 'forge'), validate: false });
    await this.forge.createRepository(FULL_NAME, { files: DEMO_FILES });
    this.forge.branchRules(FULL_NAME, 'main', { requiredChecks: ['test'] });
    this.checks = runRepositoryChecks(this.forge, { command: ['npm', 'test'], checkName: 'test' });
    this.capstan = await CapstanProcess.start({
      dataDir: join(dataDir, 'capstan'),
      port: this.config.port ?? (await freePort(4400)),
      // The scripted agent is no program that is installed: it has to be shown to its own boundary.
      env: { CAPSTAN_LOG_FORMAT: 'text', CAPSTAN_ISOLATION_READABLE: join(ROOT, 'test/demo/agent') },
      progress: (event) => {
        if (event['event'] === 'step' && typeof event['text'] === 'string')
          this.narrator.step(event['text'], Number(event['ms']) / 1000);
        if (event['event'] === 'progress' && typeof event['text'] === 'string') this.narrator.detail(event['text']);
      },
    });
  }

  private async addRepository(): Promise<Repository> {
    const [capstan, forge] = [this.capstan!, this.forge!];
    this.forgeToken = forge.createToken({ login: 'capstan-bot', permissions: 'write' });
    await capstan.setUp({
      name: 'Demo',
      email: 'demo@example.org',
      password: randomBytes(18).toString('base64url'),
      workspaceName: 'Demo',
    });
    const secret = randomBytes(24).toString('hex');
    const repository = await capstan.call<Repository>('POST', '/api/repositories', {
      fullName: FULL_NAME,
      apiUrl: `${forge.url}/api/v3`,
      token: this.forgeToken,
      webhookSecret: secret,
      label: DEMO_TICKET.label,
      agent: await this.agentSettings(),
      autoMerge: true,
    });
    forge.createWebhook(FULL_NAME, { url: `${capstan.url}/hooks/github/${repository.id}`, secret, events: ['*'] });
    return repository;
  }

  /** The scripted agent, or a real program with the key or the model that it needs. */
  private async agentSettings(): Promise<CreateRepository['agent']> {
    const { agent } = this.config;
    if (agent === null) {
      const argv = [process.execPath, join(ROOT, 'test/demo/agent/scripted-agent.mjs')];
      return { agent: 'command', argv, output: 'ndjson' };
    }
    const { cli, key } = agent;
    const { status } = spawnSync(process.execPath, [INSTALL_AGENTS], { stdio: ['ignore', 'ignore', 'inherit'] });
    if (status !== 0) throw new Error('The agent programs could not be installed; what npm said is above.');
    const secret = key ?? { name: cli.secret, value: 'of-no-use-elsewhere' };
    await this.capstan!.call('PUT', `/api/secrets/${secret.name}`, { value: secret.value });
    const settings = { agent: cli.agent, env: { PATH: CLI_PATH } };
    if (key !== null) {
      this.narrator.step(`${cli.agent} works with ${key.name} of this environment`);
      return settings;
    }
    this.model = await ScriptedModel.start(() => REPAIR);
    this.narrator.step(`${cli.agent} works with a scripted model, for there is no ${cli.ownSecret ?? cli.secret}`);
    return { ...settings, model: cli.model, baseUrl: `${this.model.url}${cli.path}` };
  }

  private async showLink(): Promise<void> {
    const link = await this.capstan!.call<{ path: string }>('POST', '/api/sign-in/links', {});
    this.narrator.plain('');
    this.narrator.plain(`  Watch it:  ${this.capstan!.url}${link.path}`);
    this.narrator.detail('(a sign-in link that works once, on this machine)');
  }

  private async follow(repository: Repository, ticket: number): Promise<DemoResult> {
    const { narrator, seconds, watch } = this;
    const task = await this.until('the ticket to become a task', async () => {
      const page = await this.get<{ items: Task[] }>(`/api/tasks?repositoryId=${repository.id}`);
      return page.items[0];
    });
    seconds.ticketToTask = watch.lap();
    narrator.step(`Ticket #${ticket} became task ${task.shortId}`, seconds.ticketToTask);
    await this.untilTask(task.id, 'the agent to start', (detail) => detail.runs.some((run) => run.launchedAt !== null));
    seconds.taskToRun = watch.lap();
    narrator.step('The agent is at work in a worktree of its own', seconds.taskToRun);
    const ran = await this.untilTask(task.id, 'the agent to finish', (detail) =>
      detail.runs.every((run) => run.state === 'finished'),
    );
    seconds.run = watch.lap();
    narrator.step(`The agent finished: ${ran.runs[0]?.outcome?.detail ?? 'no outcome'}`, seconds.run);
    const opened = await this.untilTask(task.id, 'the pull request', (detail) => detail.pullRequest?.number != null);
    seconds.publish = watch.lap();
    narrator.step(`Branch pushed, pull request #${opened.pullRequest!.number} opened`, seconds.publish);
    const id = opened.pullRequest!.id;
    await this.until('green checks', async () => ((await this.pullRequest(id)).checks === 'green' ? true : undefined));
    seconds.ci = watch.lap();
    narrator.step("The repository's own tests are green", seconds.ci);
    const merged = await this.until('the merge', async () => {
      const pullRequest = await this.pullRequest(id);
      return pullRequest.state === 'merged' ? pullRequest : undefined;
    });
    const closed = await this.until('the ticket to be closed', async () => {
      const detail = await this.get<TaskDetail>(`/api/tasks/${task.id}`);
      return detail.state === 'completed' && (await this.ticketState(ticket)) === 'closed' ? 'closed' : undefined;
    });
    seconds.merge = watch.lap();
    narrator.step('Merged, ticket commented and closed', seconds.merge);
    seconds.total = watch.total();
    return {
      taskId: task.id,
      pullRequestUrl: merged.url!,
      mergeCommit: merged.mergeCommit!,
      ticketState: closed,
      seconds: seconds as DemoSeconds,
    };
  }

  private async ticketState(number: number): Promise<string> {
    const response = await fetch(`${this.forge!.apiUrl}/repos/${FULL_NAME}/issues/${number}`, {
      headers: { authorization: `Bearer ${this.forgeToken}` },
    });
    return ((await response.json()) as { state: string }).state;
  }

  private pullRequest(id: string): Promise<PullRequest> {
    return this.get<PullRequest>(`/api/pull-requests/${id}`);
  }

  private get<T>(path: string): Promise<T> {
    return this.capstan!.call<T>('GET', path);
  }

  private untilTask(id: string, what: string, met: (task: TaskDetail) => boolean): Promise<TaskDetail> {
    return this.until(what, async () => {
      const detail = await this.get<TaskDetail>(`/api/tasks/${id}`);
      if (detail.state === 'failed' || detail.state === 'needs_attention' || detail.state === 'cancelled')
        throw new Error(
          `The task is ${detail.state}: ${detail.attention?.detail ?? ''} ${detail.attention?.remedy ?? ''}`,
        );
      return met(detail) ? detail : undefined;
    });
  }

  private async until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const within = this.config.agent?.key ? THINKING_WITHIN_MS : STEP_WITHIN_MS;
    const end = performance.now() + within;
    while (performance.now() < end) {
      const found = await look();
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new Error(`Waited ${within / 1000} s for ${what}. ${await this.lastEvents()}`);
  }

  private async lastEvents(): Promise<string> {
    const events = await this.get<{ items: TaskEvent[] }>('/api/events?limit=5').catch(() => ({ items: [] }));
    return events.items.length === 0 ? '' : `Last events: ${events.items.map(({ cause }) => cause).join(' · ')}`;
  }
}

/** The wanted port, or the next one that nobody listens on. */
async function freePort(from: number): Promise<number> {
  for (let port = from; port < from + 100; port += 4) {
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer()
        .once('error', () => resolve(false))
        .listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error(`No free port from ${from} on`);
}
