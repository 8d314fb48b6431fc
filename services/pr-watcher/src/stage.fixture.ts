import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import {
  Database,
  migrate,
  newId,
  requestEffect,
  type Effect,
  type Pod,
  type PullRequest,
  type Repository,
  type Run,
  type Task,
} from '@capstan/database';
import { Loops, Metrics, Vault, openLogger } from '@capstan/service-kit';
import {
  aPod,
  aRepository,
  aRun,
  eventually,
  startGitHubDouble,
  testDatabase,
  type GitHubDouble,
  type TestDatabase,
} from '@capstan/test-support';
import type { BundleSource, BundleWish } from './pod-bundle.js';
import { Intake } from './publish/intake.js';
import { Git } from './push/git.js';
import { Mirrors } from './push/mirror.js';
import { Watcher } from './watcher.js';

const GIT_PATH = '/usr/local/bin:/usr/bin:/bin';

const execute = promisify(execFile);
export const NAME = 'acme/app';

/** A forge, a database, and pr-watcher replicas between them; the pod is a directory with real commits in it. */
export class Stage {
  private readonly replicas: { readonly watcher: Watcher; readonly loops: Loops }[] = [];
  /** By run: what the pod answers when it is asked for the commits. */
  readonly bundles = new Map<string, () => Promise<Buffer>>();
  /** How far the forge's clock is ahead of ours. */
  forgeAheadMs = 0;
  private pod: Pod | undefined;

  private constructor(
    readonly directory: string,
    readonly forge: GitHubDouble,
    readonly database: Database,
    readonly vault: Vault,
    readonly repository: Repository,
    private readonly testDatabase: TestDatabase,
    private readonly token: string,
  ) {}

  static async open(over: Partial<Repository> = {}): Promise<Stage> {
    const directory = await mkdtemp(join(tmpdir(), 'pr-watcher-'));
    const clock = { ahead: () => 0 };
    const forge = await startGitHubDouble({ dir: join(directory, 'forge'), now: () => Date.now() + clock.ahead() });
    const files = { 'README.md': '# App\n', 'src/sum.js': 'export const sum = (a, b) => a - b;\n' };
    const { cloneUrl } = await forge.createRepository(NAME, { files });
    const made = await testDatabase({ migrate });
    const database = await Database.open({ url: made.url });
    const vault = new Vault(database, randomBytes(32).toString('base64'));
    const repository = await aRepository(database, { fullName: NAME, apiUrl: forge.apiUrl, cloneUrl, ...over });
    const token = forge.createToken({ login: 'capstan-bot' });
    const owner = { workspaceId: repository.workspaceId, repositoryId: repository.id, name: 'GITHUB_TOKEN' };
    await database.transaction((tx) => vault.put(tx, owner, token));
    const stage = new Stage(directory, forge, database, vault, repository, made, token);
    clock.ahead = () => stage.forgeAheadMs;
    return stage;
  }

  /** Starts one more replica, with a mirror directory of its own. `gitPath` comes first where it looks for git. */
  startReplica({ gitPath }: { readonly gitPath?: string } = {}): Watcher {
    const logger = openLogger({ format: 'text', level: 'silent' });
    const loops = new Loops(logger);
    const owner = `pr-watcher-${this.replicas.length}`;
    const watcher = new Watcher({
      database: this.database,
      vault: this.vault,
      logger,
      loops,
      metrics: new Metrics(),
      owner,
      bundles: this.source,
      mirrorsDirectory: join(this.directory, owner),
      publicUrl: 'https://capstan.test',
      gitEnvironment: { PATH: [gitPath, GIT_PATH].filter(Boolean).join(':') },
      intervalMs: 30_000,
    });
    this.replicas.push({ watcher, loops });
    return watcher;
  }

  /** What brings commits in, with a mirror directory of its own and no watcher around it. */
  intake(): Intake {
    const mirrors = new Mirrors(new Git({ PATH: GIT_PATH }), join(this.directory, 'intake'));
    return new Intake(this.database, this.vault, mirrors, this.source);
  }

  private get source(): BundleSource {
    return { collect: (wish: BundleWish) => this.bundles.get(wish.runId)!() };
  }

  /** A working clone on the branch, as an agent has it. */
  async worktree(branch: string): Promise<Worktree> {
    const path = join(this.directory, `worktree-${newId()}`);
    const authorization = `Authorization: Basic ${Buffer.from(`x-access-token:${this.token}`).toString('base64')}`;
    await git(this.directory, [
      '-c',
      `http.extraHeader=${authorization}`,
      'clone',
      '--quiet',
      this.repository.cloneUrl,
      path,
    ]);
    await git(path, ['checkout', '--quiet', '-b', branch]);
    return new Worktree(path, branch, await git(path, ['rev-parse', 'origin/main']));
  }

  /** A finished run whose commits are those of the worktree. */
  async finishedRun(worktree: Worktree, over: Partial<Run> & { task?: Task } = {}): Promise<{ run: Run; task: Task }> {
    const head = await worktree.head();
    this.pod ??= await aPod(this.database, this.repository);
    const { run, task } = await aRun(this.database, this.repository, {
      pod: this.pod,
      state: 'finished',
      outcome: { kind: 'commits', detail: 'It left commits', head, base: worktree.base, commitCount: 1 },
      taskState: 'running',
      branch: worktree.branch,
      baseSha: worktree.base,
      headSha: head,
      finishedAt: new Date(),
      ...over,
    });
    this.bundles.set(run.id, () => worktree.bundle());
    return { run, task };
  }

  /** The row once `check` holds for it; loops are kept awake, and effects do not wait for their second try. */
  async pullRequest(taskId: string, check: (row: PullRequest) => boolean, withinMs = 30_000): Promise<PullRequest> {
    let last: PullRequest | undefined;
    try {
      return await eventually(
        async () => {
          this.wake();
          await this.database.query(
            `update effect set not_before = null where state = 'requested' and not_before is not null`,
          );
          [last] = await this.database.query<PullRequest>(
            'select * from pull_request where task_id = $1 order by generation desc',
            [taskId],
          );
          if (last === undefined || !check(last)) throw new Error('not yet');
          return last;
        },
        withinMs,
        50,
      );
    } catch (error) {
      const effects = await this.database.query(
        'select kind, state, attempts, last_error, result from effect where task_id = $1',
        [taskId],
      );
      throw new Error(`the row never came to it: ${JSON.stringify(last)} ${JSON.stringify(effects)}`, { cause: error });
    }
  }

  /** The effect once it is done or refused. */
  async settled(id: string): Promise<Effect> {
    return eventually(async () => {
      this.wake();
      const [effect] = await this.database.query<Effect>('select * from effect where id = $1', [id]);
      return effect?.settledAt != null ? effect : false;
    }, 30_000);
  }

  wake(): void {
    for (const { watcher } of this.replicas) {
      watcher.wakePublish();
      watcher.wakeEffects();
      watcher.wakeFollow();
    }
  }

  /** Asks for a look now, as a delivery does. */
  async lookNow(taskId: string): Promise<void> {
    await this.database.query('update pull_request set next_check_at = now() where task_id = $1', [taskId]);
    this.wake();
  }

  /** Wishes for the merge of a pull request's head, as a look that judged it does. Answers the effect's id. */
  async wishMerge({ id, workspaceId, taskId, runId, headSha }: PullRequest): Promise<string> {
    const effect = await this.database.transaction((tx) =>
      requestEffect(tx, {
        ...{ workspaceId, taskId, runId, epoch: 0, kind: 'merge_pull_request' },
        key: `merge_pull_request:${id}:${headSha}`,
        arguments: { pullRequestId: id, sha: headSha },
        traceparent: null,
      }),
    );
    return effect.id;
  }

  /** Requests to the API that changed something, as `METHOD path`. */
  writes(): readonly string[] {
    return this.forge.journal.flatMap((entry) =>
      entry.kind === 'request' && entry.method !== 'GET' && !entry.path.includes('/git-') && entry.status < 300
        ? [`${entry.method} ${entry.path}`]
        : [],
    );
  }

  /** Every move of a branch that Capstan caused. */
  pushes(): readonly { readonly ref: string; readonly before: string; readonly after: string }[] {
    return this.forge.journal.flatMap((entry) =>
      entry.kind === 'push' && entry.login === 'capstan-bot' ? [entry] : [],
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.replicas.map(({ watcher }) => watcher.close()));
    await Promise.all(this.replicas.map(({ loops }) => loops.close()));
    await this.forge.close();
    await this.database.close();
    await this.testDatabase.close();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** A real working tree. */
export class Worktree {
  constructor(
    readonly path: string,
    readonly branch: string,
    readonly base: string,
  ) {}

  /** Writes files and commits them. */
  async commit(files: Readonly<Record<string, string | Buffer>>, message = 'Fix it'): Promise<this> {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(this.path, name)), { recursive: true });
      await writeFile(join(this.path, name), content);
    }
    await git(this.path, ['add', '--all']);
    await git(this.path, ['commit', '--quiet', '-m', message]);
    return this;
  }

  git(...args: readonly string[]): Promise<string> {
    return git(this.path, args);
  }

  head(): Promise<string> {
    return git(this.path, ['rev-parse', 'HEAD']);
  }

  /** What the supervisor sends, or a bundle of other refs. */
  async bundle(...refs: readonly string[]): Promise<Buffer> {
    const wanted = refs.length > 0 ? refs : [`refs/heads/${this.branch}`, `^${this.base}`];
    const { stdout } = await execute('git', ['bundle', 'create', '--quiet', '-', ...wanted], {
      cwd: this.path,
      encoding: 'buffer',
      maxBuffer: 256 * 1_048_576,
    });
    return stdout;
  }
}

async function git(cwd: string, args: readonly string[]): Promise<string> {
  const who = ['-c', 'user.name=Agent', '-c', 'user.email=agent@test.invalid'];
  const { stdout } = await execute('git', [...who, ...args], { cwd });
  return stdout.trim();
}
