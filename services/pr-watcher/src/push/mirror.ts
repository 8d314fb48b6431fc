import { randomBytes } from 'node:crypto';
import { existsSync, renameSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TransientError, UserError, type Id } from '@capstan/domain';
import type { RepositoryAccess } from '../forge-access.js';
import type { Git, GitResult } from './git.js';

/** What a push came to. `moved`: the branch is not where Capstan left it. */
export type PushResult =
  { readonly kind: 'pushed' } | { readonly kind: 'moved' } | { readonly kind: 'refused'; readonly reason: string };

const TRACKED = 'refs/remotes/origin';
/** The machine's faults, not the bundle's. */
const MACHINE_FAULT =
  /no space left|read-only file system|permission denied|unable to (write|create)|could not open|cannot lock ref|could not resolve|unable to access|timed out|RPC failed/i;
const ACCESS_REFUSED =
  /authentication failed|could not read username|returned error: (401|403|404)|repository not found|not found/i;

/** Capstan's own bare mirrors, one per repository, without file contents until they are needed. */
export class Mirrors {
  private readonly queues = new Map<Id, Promise<unknown>>();
  /** How many look at a mirror, or send from it, without waiting their turn. */
  private readonly readers = new Map<Id, number>();
  /** Mirrors that this process sets up or has set up, with the address that it gives them. */
  private readonly ready = new Map<Id, { readonly url: string; readonly done: Promise<void> }>();

  constructor(
    private readonly git: Git,
    private readonly directory: string,
  ) {}

  /** Runs `work` on the repository's mirror; one at a time per repository in this process. */
  async use<T>(access: RepositoryAccess, work: (mirror: Mirror) => Promise<T>): Promise<T> {
    return this.inTurn(access.repository.id, async () => work(await this.open(access)));
  }

  /**
   * Runs `work` on a mirror's directory while nobody uses it. `stale`, and nothing done, while somebody reads it or
   * there is none.
   */
  async whenIdle(id: Id, work: (path: string) => Promise<void>): Promise<'applied' | 'stale'> {
    const path = this.pathOf(id);
    return this.inTurn(id, async () => {
      if (this.readers.has(id) || !existsSync(path)) return 'stale';
      await work(path);
      return 'applied';
    });
  }

  /** Takes a mirror away in one step; whoever comes next makes it anew. `stale` while somebody reads it. */
  async discard(id: Id): Promise<'applied' | 'stale'> {
    const old = `${this.pathOf(id)}.old-${randomBytes(4).toString('hex')}`;
    return this.whenIdle(id, async (path) => {
      // Between the look at the readers and this nothing else runs: from here on they find no mirror.
      this.ready.delete(id);
      renameSync(path, old);
      await rm(old, { recursive: true, force: true, maxRetries: 2 });
    });
  }

  private async inTurn<T>(id: Id, work: () => Promise<T>): Promise<T> {
    const before = this.queues.get(id) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(work);
    this.queues.set(id, mine);
    try {
      return await mine;
    } finally {
      if (this.queues.get(id) === mine) this.queues.delete(id);
    }
  }

  /** Counts who is at a mirror besides the one whose turn it is. */
  private async reading<T>(id: Id, work: () => Promise<T>): Promise<T> {
    this.readers.set(id, (this.readers.get(id) ?? 0) + 1);
    try {
      return await work();
    } finally {
      const left = (this.readers.get(id) ?? 1) - 1;
      if (left === 0) this.readers.delete(id);
      else this.readers.set(id, left);
    }
  }

  /**
   * Runs `work`, which only reads the mirror or sends from it, beside whatever else is at work there: git's objects are
   * never taken away, and a ref is read whole.
   */
  async read<T>(access: RepositoryAccess, work: (mirror: Mirror) => Promise<T>): Promise<T> {
    return this.reading(access.repository.id, async () => work(await this.open(access)));
  }

  /** A look at the forge that needs no objects, and so waits for nobody. */
  async remoteHead(access: RepositoryAccess, branch: string, signal?: AbortSignal): Promise<string | null> {
    return this.read(access, (mirror) => mirror.remoteHead(branch, signal));
  }

  /** Sets the mirror up once, however many ask for it at the same time. */
  private async open(access: RepositoryAccess): Promise<Mirror> {
    const { id } = access.repository;
    const url = access.connection.cloneUrl;
    const path = this.pathOf(id);
    let known = this.ready.get(id);
    if (known?.url !== url) {
      const before = known?.done.catch(() => undefined) ?? Promise.resolve();
      known = { url, done: before.then(() => this.setUp(path, url)) };
      this.ready.set(id, known);
    }
    try {
      await known.done;
    } catch (error) {
      if (this.ready.get(id) === known) this.ready.delete(id);
      throw error;
    }
    return new Mirror(this.git, path, access);
  }

  private pathOf(id: Id): string {
    return join(this.directory, `${id}.git`);
  }

  private async setUp(path: string, url: string): Promise<void> {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await this.git.read(['init', '--quiet', '--bare', path], { directory: path });
    for (const [name, value] of [
      ['core.repositoryformatversion', '1'],
      ['extensions.partialClone', 'origin'],
      ['remote.origin.url', url],
      ['remote.origin.promisor', 'true'],
      ['remote.origin.partialclonefilter', 'blob:none'],
    ] as const)
      await this.git.read(['config', '--replace-all', name, value], { directory: path });
  }
}

/** One mirror. The token is in the environment of single git processes only. */
export class Mirror {
  constructor(
    private readonly git: Git,
    readonly path: string,
    private readonly access: RepositoryAccess,
  ) {}

  /** Brings the branches that exist at the forge up to date and forgets the others. Answers those that exist. */
  async update(branches: readonly string[], signal?: AbortSignal): Promise<ReadonlySet<string>> {
    const heads = await this.remoteHeads(branches, signal);
    const present = branches.filter((branch) => heads.has(branch));
    const tracked = await this.tracked();
    const refs = present
      .filter((branch) => tracked.get(branch) !== heads.get(branch))
      .map((branch) => `+refs/heads/${branch}:${TRACKED}/${branch}`);
    if (refs.length > 0) {
      const options = [
        '--quiet',
        '--filter=blob:none',
        '--no-tags',
        '--no-write-fetch-head',
        '--no-recurse-submodules',
      ];
      const result = await this.run(['fetch', ...options, '--no-auto-maintenance', 'origin', ...refs], signal);
      if (result.code !== 0) throw this.remoteFault('fetch', result);
    }
    for (const branch of branches)
      if (!heads.has(branch) && tracked.has(branch))
        await this.run(['update-ref', '-d', `${TRACKED}/${branch}`], signal);
    return new Set(present);
  }

  /** The commit that the branch is at, null when there is no such branch. */
  async remoteHead(branch: string, signal?: AbortSignal): Promise<string | null> {
    return (await this.remoteHeads([branch], signal)).get(branch) ?? null;
  }

  /** The forge's branches as this mirror knows them. */
  private async tracked(): Promise<ReadonlyMap<string, string>> {
    const listed = await this.read(['for-each-ref', '--format=%(objectname) %(refname)', TRACKED]);
    const lines = listed.split('\n').filter(Boolean);
    return new Map(
      lines.map((line) => [line.slice(line.indexOf(' ') + TRACKED.length + 2), line.slice(0, line.indexOf(' '))]),
    );
  }

  private async remoteHeads(branches: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const wanted = branches.map((branch) => `refs/heads/${branch}`);
    const result = await this.run(['ls-remote', '--quiet', 'origin', ...wanted], signal);
    if (result.code !== 0) throw this.remoteFault('ls-remote', result);
    const lines = result.output.toString().split('\n').filter(Boolean);
    return new Map(
      lines
        .map((line) => line.split('\t') as [string, string])
        // ls-remote matches the ends of names; only the exact ref counts.
        .filter(([, name]) => wanted.includes(name))
        .map(([sha, name]) => [name.slice('refs/heads/'.length), sha]),
    );
  }

  /** The refs that a bundle names, or why it can't be read. */
  async bundleRefs(
    file: string,
  ): Promise<{ readonly refs: readonly { name: string; sha: string }[] } | { readonly rejected: string }> {
    const { code, output, complaint } = await this.run(['bundle', 'list-heads', file]);
    if (code !== 0) return { rejected: lastWords(complaint) };
    const lines = output.toString().split('\n').filter(Boolean);
    return {
      refs: lines.map((line) => ({ sha: line.slice(0, line.indexOf(' ')), name: line.slice(line.indexOf(' ') + 1) })),
    };
  }

  /** Takes one ref of a bundle as `to`, every object checked by git. Answers why git would not, null when it did. */
  async take(file: string, ref: string, to: string): Promise<string | null> {
    const checks = ['-c', 'transfer.fsckObjects=true', '-c', 'fetch.fsckObjects=true'];
    const options = [
      '--quiet',
      '--no-tags',
      '--no-write-fetch-head',
      '--no-recurse-submodules',
      '--no-auto-maintenance',
    ];
    const result = await this.run([...checks, 'fetch', ...options, file, `+${ref}:${to}`]);
    if (result.code === 0) return null;
    if (MACHINE_FAULT.test(result.complaint))
      throw new TransientError(`The bundle could not be read: ${lastWords(result.complaint)}`, { code: 'git_failed' });
    return lastWords(result.complaint);
  }

  /** Keeps the bundle in a file of the mirror while `work` reads it. */
  async withFile<T>(name: string, bytes: Uint8Array, work: (file: string) => Promise<T>): Promise<T> {
    const directory = join(this.path, 'capstan-incoming');
    const file = join(directory, name);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    try {
      await writeFile(file, bytes, { mode: 0o600 });
      return await work(file);
    } finally {
      await rm(file, { force: true });
    }
  }

  /** Moves exactly one branch from `expected` (null: it must not exist) to `head`. */
  async push(branch: string, head: string, expected: string | null, signal: AbortSignal): Promise<PushResult> {
    const ref = `refs/heads/${branch}`;
    const lease = `--force-with-lease=${ref}:${expected ?? ''}`;
    const result = await this.run(
      [
        'push',
        '--porcelain',
        '--no-verify',
        '--no-follow-tags',
        '--recurse-submodules=no',
        lease,
        'origin',
        `${head}:${ref}`,
      ],
      signal,
    );
    if (result.code === 0) return { kind: 'pushed' };
    const line =
      result.output
        .toString()
        .split('\n')
        .find((each) => each.startsWith('!')) ?? '';
    if (/\[rejected\].*(stale info|fetch first|non-fast-forward)/.test(line)) return { kind: 'moved' };
    // Another push took the ref between its advertisement and ours.
    if (/cannot lock ref|failed to update ref|reference already exists|incorrect old value/i.test(line))
      return { kind: 'moved' };
    if (line.includes('[remote rejected]')) return { kind: 'refused', reason: remoteWords(line, result.complaint) };
    throw this.remoteFault('push', result);
  }

  /** Runs git in the mirror; what is missing there is fetched with the token. */
  run(
    args: readonly string[],
    signal?: AbortSignal,
    onOutput?: (chunk: Buffer) => void,
    input?: string,
  ): Promise<GitResult> {
    return this.git.run(args, {
      directory: this.path,
      environment: this.authorization(),
      ...(signal === undefined ? {} : { signal }),
      ...(onOutput === undefined ? {} : { onOutput }),
      ...(input === undefined ? {} : { input }),
    });
  }

  /** Like {@link run}, but answers the trimmed output and throws TransientError for any exit code but 0. */
  async read(args: readonly string[], signal?: AbortSignal): Promise<string> {
    const { code, output, complaint } = await this.run(args, signal);
    if (code !== 0)
      throw new TransientError(`git ${args[0]} ended with ${code}: ${lastWords(complaint)}`, { code: 'git_failed' });
    return output.toString().trim();
  }

  private authorization(): Record<string, string> {
    const { forge, connection } = this.access;
    return {
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: `http.${new URL(connection.cloneUrl).origin}/.extraHeader`,
      GIT_CONFIG_VALUE_0: `Authorization: ${forge.gitAuthorization(connection)}`,
    };
  }

  private remoteFault(doing: string, { complaint }: GitResult): Error {
    const words = lastWords(complaint);
    if (!ACCESS_REFUSED.test(complaint))
      return new TransientError(`git ${doing} failed: ${words}`, { code: 'git_unavailable' });
    const { app, forge, connection, repository } = this.access;
    forge.refused(connection.token);
    return new UserError(`The forge refused git ${doing}: ${words}`, {
      code: 'credential_refused',
      field: repository.credentialSecret,
      remedy:
        app === null
          ? `Replace ${repository.credentialSecret}: it needs read and write access to the repository's contents.`
          : `Look at the app ${app} on GitHub: it needs Contents: Read and write in ${repository.fullName}.`,
    });
  }
}

/** The complaint's last lines, without git's hints. */
function lastWords(complaint: string): string {
  const lines = complaint
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('hint:'));
  return lines.slice(-3).join('; ').slice(0, 1_000) || 'git gave no reason';
}

/** What the forge said, and the reason on the ref's line. */
function remoteWords(line: string, complaint: string): string {
  const said = complaint
    .split('\n')
    .filter((each) => each.startsWith('remote:'))
    .map((each) => each.slice('remote:'.length).trim())
    .filter(Boolean);
  const reason = /\(([^()]*)\)\s*$/.exec(line)?.[1] ?? line;
  return [reason, ...said].join('; ').slice(0, 1_000);
}
