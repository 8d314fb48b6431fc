import { mkdir } from 'node:fs/promises';
import { runGit } from './process.js';

export const ZERO_SHA = '0'.repeat(40);

export interface Identity {
  readonly name: string;
  readonly email: string;
  /** ISO 8601. */
  readonly date: string;
}

export interface CommitData {
  readonly sha: string;
  readonly tree: string;
  readonly parents: readonly string[];
  readonly author: Identity;
  readonly committer: Identity;
  readonly message: string;
}

export interface FileChange {
  readonly filename: string;
  readonly previousFilename: string | null;
  readonly status: 'added' | 'removed' | 'modified' | 'renamed';
  readonly blobSha: string;
  readonly additions: number;
  readonly deletions: number;
  readonly patch: string | null;
}

const COMMIT_FORMAT = '%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B';
const utc = (date: string): string => new Date(date).toISOString().replace('.000Z', 'Z');

const FULL_SHA = /^[0-9a-f]{40}$/;

/**
 * One bare repository on disk. Everything here is real git. What a name points to is asked each time; what follows from
 * full object ids alone never changes and is asked once.
 */
export class BareRepository {
  /** Pushes and merges of one repository happen one after the other. */
  private tail: Promise<unknown> = Promise.resolve();

  private readonly commits = new Set<string>();
  private readonly known = new Map<string, Promise<unknown>>();

  constructor(readonly path: string) {}

  /** The answer that follows from these object ids; computed each time when one of `ids` is a name. */
  immutable<T>(what: string, ids: readonly string[], compute: () => Promise<T>): Promise<T> {
    if (!ids.every((id) => FULL_SHA.test(id))) return compute();
    const key = `${what} ${ids.join(' ')}`;
    const known = this.known.get(key) as Promise<T> | undefined;
    if (known !== undefined) return known;
    const computed = compute();
    this.known.set(key, computed);
    computed.catch(() => this.known.delete(key));
    return computed;
  }

  async initialize(defaultBranch: string): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await this.git(['init', '--quiet', '--bare', `--initial-branch=${defaultBranch}`, '.']);
    const settings = {
      'http.receivepack': 'true',
      'uploadpack.allowFilter': 'true',
      'uploadpack.allowAnySHA1InWant': 'true',
      'receive.autogc': 'false',
      'receive.hideRefs': 'refs/pull',
      'gc.auto': '0',
    };
    for (const [key, value] of Object.entries(settings)) await this.git(['config', key, value]);
  }

  /** Runs `work` while nothing else pushes to or merges in this repository. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const next = this.tail.then(work, work);
    this.tail = next.catch(() => undefined);
    return next;
  }

  /** Output of a git command. @throws Error when git exits non-zero. */
  async git(args: readonly string[], input?: string | Buffer, env?: Record<string, string>): Promise<string> {
    const result = await this.tryGit(args, input, env);
    if (result.code !== 0) throw new Error(`git ${args.slice(0, 3).join(' ')} exited ${result.code}: ${result.stderr}`);
    return result.stdout;
  }

  tryGit(args: readonly string[], input?: string | Buffer, env?: Record<string, string>) {
    return runGit(args, { cwd: this.path, ...(input === undefined ? {} : { input }), ...(env ? { env } : {}) });
  }

  /** Branches and tags with their objects. */
  async refs(): Promise<Map<string, string>> {
    const text = await this.git(['for-each-ref', '--format=%(objectname) %(refname)', 'refs/heads', 'refs/tags']);
    return new Map(
      text
        .split('\n')
        .filter(Boolean)
        .map((line) => [line.slice(41), line.slice(0, 40)] as const),
    );
  }

  /** The commit that a branch, tag or (abbreviated) SHA names, else null. */
  async resolve(revision: string): Promise<string | null> {
    if (!revision || revision.startsWith('-')) return null;
    if (FULL_SHA.test(revision)) return this.existing(revision);
    const candidates = revision.startsWith('refs/')
      ? [revision]
      : [`refs/heads/${revision}`, `refs/tags/${revision}`, ...(/^[0-9a-f]{7,40}$/.test(revision) ? [revision] : [])];
    for (const candidate of candidates) {
      const result = await this.tryGit([
        'rev-parse',
        '--verify',
        '--quiet',
        '--end-of-options',
        `${candidate}^{commit}`,
      ]);
      if (result.code === 0) return result.stdout.trim();
    }
    return null;
  }

  /** A commit that was there once stays there: nothing is ever pruned. */
  private async existing(sha: string): Promise<string | null> {
    if (this.commits.has(sha)) return sha;
    const result = await this.tryGit(['rev-parse', '--verify', '--quiet', '--end-of-options', `${sha}^{commit}`]);
    if (result.code === 0) this.commits.add(sha);
    return result.code === 0 ? result.stdout.trim() : null;
  }

  branch(name: string): Promise<string | null> {
    return this.resolve(`refs/heads/${name}`);
  }

  /** Moves a ref only while it is at `expected` (`ZERO_SHA`: doesn't exist); false when it isn't. */
  async updateRef(ref: string, next: string, expected: string): Promise<boolean> {
    const args = next === ZERO_SHA ? ['update-ref', '-d', ref, expected] : ['update-ref', ref, next, expected];
    return (await this.tryGit(args)).code === 0;
  }

  async isAncestor(ancestor: string, descendant: string): Promise<boolean> {
    return this.immutable('is-ancestor', [ancestor, descendant], async () => {
      return (await this.tryGit(['merge-base', '--is-ancestor', ancestor, descendant])).code === 0;
    });
  }

  /** The commits that a ref has come to hold by moving; `ZERO_SHA` where there is no ref. */
  async arrived(before: string, after: string): Promise<ReadonlySet<string>> {
    if (after === ZERO_SHA) return new Set();
    const range = before === ZERO_SHA ? [after] : [after, `^${before}`];
    return new Set((await this.git(['rev-list', ...range])).split('\n').filter(Boolean));
  }

  async mergeBase(left: string, right: string): Promise<string | null> {
    return this.immutable('merge-base', [left, right], async () => {
      const result = await this.tryGit(['merge-base', left, right]);
      return result.code === 0 ? result.stdout.trim() : null;
    });
  }

  /** How many commits `head` has that `base` lacks, and the other way round. */
  async aheadBehind(base: string, head: string): Promise<{ ahead: number; behind: number }> {
    const text = await this.git(['rev-list', '--left-right', '--count', `${base}...${head}`]);
    const [behind = '0', ahead = '0'] = text.trim().split(/\s+/);
    return { ahead: Number(ahead), behind: Number(behind) };
  }

  /** Commits in `range`, oldest first. */
  async log(range: readonly string[], limit = 250): Promise<CommitData[]> {
    const ids = range.flatMap((each) => each.split('..'));
    return (await this.immutable(`log ${range.join(' ')}`, ids, () => this.readLog(range))).slice(0, limit);
  }

  private async readLog(range: readonly string[]): Promise<CommitData[]> {
    const text = await this.git(['log', '-z', '--topo-order', '--reverse', `--format=${COMMIT_FORMAT}%x01`, ...range]);
    return text
      .split('\x01')
      .map((entry) => entry.replace(/^\0/, ''))
      .filter((entry) => entry.length > 40)
      .map(parseCommit);
  }

  commit(sha: string): Promise<CommitData> {
    return this.immutable('commit', [sha], async () => {
      return parseCommit(await this.git(['log', '-1', `--format=${COMMIT_FORMAT}`, sha]));
    });
  }

  /** What changed from one tree-ish to another, with patches. */
  changes(from: string, to: string): Promise<FileChange[]> {
    return this.immutable('changes', [from, to], () => this.readChanges(from, to));
  }

  private async readChanges(from: string, to: string): Promise<FileChange[]> {
    const [raw, numbers, patches] = await Promise.all([
      this.git(['diff', '--raw', '-z', '--no-abbrev', '-M', from, to]),
      this.git(['diff', '--numstat', '-z', '-M', from, to]),
      this.git(['diff', '-M', '--no-color', from, to]),
    ]);
    const counts = parseNumstat(numbers);
    const hunks = patches.split(/^diff --git .*\n/m).slice(1);
    return parseRaw(raw).map((change, index) => {
      const hunk = hunks[index]?.indexOf('@@ ') ?? -1;
      return {
        ...change,
        additions: counts[index]?.additions ?? 0,
        deletions: counts[index]?.deletions ?? 0,
        patch: hunk >= 0 ? (hunks[index] ?? '').slice(hunk).replace(/\n$/, '') : null,
      };
    });
  }

  /** Writes a commit object. */
  async writeCommit(tree: string, parents: readonly string[], message: string, author?: Identity): Promise<string> {
    const env = author
      ? { GIT_AUTHOR_NAME: author.name, GIT_AUTHOR_EMAIL: author.email, GIT_AUTHOR_DATE: author.date }
      : undefined;
    const args = ['commit-tree', tree, ...parents.flatMap((parent) => ['-p', parent])];
    return (await this.git(args, message, env)).trim();
  }

  /** Commits files onto a branch (created from `from` when new); null removes one. `#!` makes a file executable. */
  async commitFiles(
    branch: string,
    files: Readonly<Record<string, string | null>>,
    commit: { message: string; author: { name: string; email: string }; from?: string },
  ): Promise<string> {
    const parent = (await this.branch(branch)) ?? commit.from;
    const parts: (string | Buffer)[] = [`commit refs/heads/${branch}\n`];
    parts.push(`committer ${commit.author.name} <${commit.author.email}> ${Math.floor(Date.now() / 1000)} +0000\n`);
    const message = Buffer.from(commit.message);
    parts.push(`data ${message.length}\n`, message, '\n');
    if (parent) parts.push(`from ${parent}\n`);
    for (const [path, text] of Object.entries(files)) {
      if (text === null) {
        parts.push(`D ${path}\n`);
        continue;
      }
      const content = Buffer.from(text);
      const mode = text.startsWith('#!') ? '100755' : '100644';
      parts.push(`M ${mode} inline ${path}\ndata ${content.length}\n`, content, '\n');
    }
    await this.git(['fast-import', '--quiet', '--force'], Buffer.concat(parts.map((part) => Buffer.from(part))));
    const sha = await this.branch(branch);
    if (!sha) throw new Error(`branch ${branch} is missing after fast-import`);
    return sha;
  }
}

function parseCommit(text: string): CommitData {
  const [sha, tree, parents, name, email, date, committerName, committerEmail, committerDate, ...message] =
    text.split('\0');
  return {
    sha: sha ?? '',
    tree: tree ?? '',
    parents: (parents ?? '').split(' ').filter(Boolean),
    author: { name: name ?? '', email: email ?? '', date: utc(date ?? '') },
    committer: { name: committerName ?? '', email: committerEmail ?? '', date: utc(committerDate ?? '') },
    message: message.join('\0').trimEnd(),
  };
}

function parseRaw(raw: string): Pick<FileChange, 'filename' | 'previousFilename' | 'status' | 'blobSha'>[] {
  const words = raw.split('\0');
  const changes: Pick<FileChange, 'filename' | 'previousFilename' | 'status' | 'blobSha'>[] = [];
  for (let at = 0; at < words.length - 1;) {
    const [, , oldSha = '', newSha = '', letter = 'M'] = (words[at] ?? '').split(' ');
    const renamed = letter.startsWith('R') || letter.startsWith('C');
    const first = words[at + 1] ?? '';
    const statuses: Record<string, FileChange['status']> = { A: 'added', D: 'removed', R: 'renamed' };
    changes.push({
      filename: renamed ? (words[at + 2] ?? '') : first,
      previousFilename: renamed ? first : null,
      status: statuses[letter.charAt(0)] ?? 'modified',
      blobSha: letter === 'D' ? oldSha : newSha,
    });
    at += renamed ? 3 : 2;
  }
  return changes;
}

function parseNumstat(text: string): { additions: number; deletions: number }[] {
  const words = text.split('\0');
  const counts: { additions: number; deletions: number }[] = [];
  for (let at = 0; at < words.length - 1;) {
    const [additions = '0', deletions = '0', path = ''] = (words[at] ?? '').split('\t');
    // A dash stands for a binary file.
    counts.push({ additions: Number(additions) || 0, deletions: Number(deletions) || 0 });
    at += path === '' ? 3 : 1;
  }
  return counts;
}
