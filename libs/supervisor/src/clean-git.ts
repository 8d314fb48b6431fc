import { copyFileSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { draftName } from './draft-name.js';
import { ifThere, SupervisorFault } from './fault.js';
import { git } from './git.js';
import type { GitOptions, GitResult } from './git.js';

/**
 * A worktree seen through a git directory of Capstan's own. The worktree's `.git` belongs to the agent: its
 * configuration can name filters, monitors, drivers and remotes that are programs. Here it is used for its objects, its
 * index and its refs only; the configuration is ours, so none of that exists for git.
 */
export class CleanGit {
  private readonly directory: string;
  private readonly theirs: string;

  private constructor(
    root: string,
    private readonly worktree: string,
  ) {
    this.theirs = join(worktree, '.git');
    if (ifThere(() => lstatSync(this.theirs))?.isDirectory() !== true) {
      throw new SupervisorFault('worktree_unreadable', `${worktree} has no .git directory`);
    }
    const scratch = join(root, 'tmp');
    mkdirSync(scratch, { recursive: true, mode: 0o700 });
    this.directory = mkdtempSync(join(scratch, 'git-'));
    mkdirSync(join(this.directory, 'objects', 'info'), { recursive: true });
    mkdirSync(join(this.directory, 'refs', 'heads'), { recursive: true });
    writeFileSync(join(this.directory, 'HEAD'), 'ref: refs/heads/none\n');
    writeFileSync(join(this.directory, 'config'), '[core]\n\trepositoryformatversion = 0\n\tbare = false\n');
  }

  /** Opens the worktree for `work` and removes what it needed. */
  static use<T>(root: string, worktree: string, work: (git: CleanGit) => T): T {
    const clean = new CleanGit(root, worktree);
    try {
      return work(clean);
    } finally {
      rmSync(clean.directory, { recursive: true, force: true });
    }
  }

  run(arguments_: readonly string[], options: GitOptions = {}): GitResult {
    const env = {
      GIT_DIR: this.directory,
      GIT_WORK_TREE: this.worktree,
      GIT_OBJECT_DIRECTORY: join(this.theirs, 'objects'),
      ...options.env,
    };
    return git(arguments_, { cwd: this.worktree, ...options, env });
  }

  /** Commit that a ref of the worktree names, undefined when there is none. */
  resolve(ref: string): string | undefined {
    const found = this.refs(['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`], [1, 128]);
    return found.code === 0 ? found.text : undefined;
  }

  /** Branch that HEAD is on, undefined when it is detached. */
  headBranch(): string | undefined {
    const found = this.refs(['symbolic-ref', '--quiet', 'HEAD'], [1, 128]);
    return found.code === 0 ? found.text : undefined;
  }

  /** Points the worktree's branch at `commit`, and its HEAD at the branch. */
  setBranch(branch: string, commit: string): void {
    this.setRef(`refs/heads/${branch}`, commit);
    if (this.headBranch() !== `refs/heads/${branch}`) this.refs(['symbolic-ref', 'HEAD', `refs/heads/${branch}`]);
  }

  setRef(ref: string, commit: string): void {
    this.refs(['update-ref', '--no-deref', ref, commit]);
  }

  /** A ref of our own, for commands that want a name. */
  setOwnRef(ref: string, commit: string): void {
    this.run(['update-ref', ref, commit]);
  }

  isAncestor(commit: string, of: string): boolean {
    return this.run(['merge-base', '--is-ancestor', commit, of], { allowed: [1] }).code === 0;
  }

  countCommits(base: string, head: string): number {
    return Number(this.run(['rev-list', '--count', `${base}..${head}`]).text);
  }

  /**
   * Brings our index level with the worktree's files: their index as a start, so that only changed files are read, then
   * everything that .gitignore doesn't exclude. Repositories inside the worktree are left out; nothing looks into them.
   */
  stageEverything(head: string): string {
    const index = join(this.directory, 'index');
    const copied = ifThere(() => (copyFileSync(join(this.theirs, 'index'), index), true)) === true;
    const usable = copied && this.run(['ls-files', '--error-unmatch', '--', ':/'], { allowed: [1, 128] }).code !== 128;
    if (!usable) {
      rmSync(index, { force: true });
      this.run(['read-tree', head]);
    }
    const changed = this.run(['ls-files', '-z', '--modified', '--deleted', '--others', '--exclude-standard']).stdout;
    const paths = new Set(changed.toString('latin1').split('\0'));
    const wanted = [...paths].filter((path) => path !== '' && !path.endsWith('/'));
    if (wanted.length > 0) {
      const stdin = Buffer.from(`${wanted.join('\0')}\0`, 'latin1');
      this.run(['update-index', '--add', '--remove', '-z', '--stdin'], { stdin });
    }
    return this.run(['write-tree']).text;
  }

  /** Gives the worktree our index, so that git in it says what was committed. */
  handBackIndex(): void {
    const draft = join(this.theirs, `index.${draftName()}`);
    copyFileSync(join(this.directory, 'index'), draft);
    renameSync(draft, join(this.theirs, 'index'));
  }

  /** Moves files and index from one commit to a later one; refuses (false) when local changes are in the way. */
  moveFiles(from: string, to: string): boolean {
    copyFileSync(join(this.theirs, 'index'), join(this.directory, 'index'));
    const moved = this.run(['read-tree', '-m', '-u', from, to], { allowed: [1, 128] }).code === 0;
    if (moved) this.handBackIndex();
    return moved;
  }

  /** For refs there is no way but the worktree's own git directory; reading and writing them starts no program. */
  private refs(arguments_: readonly string[], allowed: readonly number[] = []): GitResult {
    return git(arguments_, { cwd: this.worktree, allowed, env: { GIT_DIR: this.theirs } });
  }
}
