import { addComment, addLabels, closeIssue, removeLabel, reopenIssue } from './actions/issues.js';
import { mergePull } from './actions/merging.js';
import type { MergeInput } from './actions/merging.js';
import { openPull, reopenPull } from './actions/pull-requests.js';
import type { PullInput } from './actions/pull-requests.js';
import { refsMoved } from './actions/pushes.js';
import { submitReview } from './actions/reviews.js';
import type { ReviewEvent } from './actions/reviews.js';
import { createStatus } from './actions/checks.js';
import { ZERO_SHA } from './git/bare-repository.js';
import type { RepositoryRecord, StatusRecord } from './model.js';
import { isPull } from './world.js';
import type { World } from './world.js';

/** What a person does in the browser, through the same actions as REST, with the same refusals and webhooks. */
export class Person {
  constructor(
    private readonly world: World,
    private readonly login: string,
  ) {}

  /** @returns the number of the pull request. */
  async openPullRequest(fullName: string, input: PullInput): Promise<number> {
    return (await openPull(this.world, this.world.repository(fullName), this.login, input)).number;
  }

  review(fullName: string, number: number, event: ReviewEvent, body?: string): void {
    const repository = this.world.repository(fullName);
    const input = { event, ...(body === undefined ? {} : { body }) };
    submitReview(this.world, repository, this.world.pull(repository, number), this.login, input);
  }

  /** @returns the merge commit. */
  merge(fullName: string, number: number, input: MergeInput = {}): Promise<string> {
    const repository = this.world.repository(fullName);
    return mergePull(this.world, repository, this.world.pull(repository, number), this.login, input);
  }

  /** Closes a pull request or an issue. */
  close(fullName: string, number: number): void {
    const repository = this.world.repository(fullName);
    closeIssue(this.world, repository, this.world.issue(repository, number), this.login);
  }

  closeIssue(fullName: string, number: number): void {
    this.close(fullName, number);
  }

  /** Reopens an issue or a pull request. */
  async reopenIssue(fullName: string, number: number): Promise<void> {
    const repository = this.world.repository(fullName);
    const issue = this.world.issue(repository, number);
    if (isPull(issue)) await reopenPull(this.world, repository, issue, this.login);
    else reopenIssue(this.world, repository, issue, this.login);
  }

  /** @returns the comment's id. */
  comment(fullName: string, number: number, body: string): number {
    const repository = this.world.repository(fullName);
    return addComment(this.world, repository, this.world.issue(repository, number), this.login, body).id;
  }

  label(fullName: string, number: number, ...names: string[]): void {
    const repository = this.world.repository(fullName);
    addLabels(this.world, repository, this.world.issue(repository, number), this.login, names);
  }

  unlabel(fullName: string, number: number, name: string): void {
    const repository = this.world.repository(fullName);
    removeLabel(this.world, repository, this.world.issue(repository, number), this.login, name);
  }

  /** Commits one file (null removes it) onto a branch, which is made from the default branch when new. */
  pushFile(fullName: string, branch: string, path: string, content: string | null, message?: string): Promise<string> {
    const repository = this.world.repository(fullName);
    const { git } = repository;
    return git.exclusively(async () => {
      const before = await git.branch(branch);
      const from = before ?? (await git.branch(repository.defaultBranch));
      const after = await git.commitFiles(
        branch,
        { [path]: content },
        {
          message: message ?? `${content === null ? 'Remove' : 'Update'} ${path}`,
          author: { name: this.login, email: `${this.login}@users.noreply.github.com` },
          ...(from ? { from } : {}),
        },
      );
      await this.moved(repository, branch, before ?? ZERO_SHA, after);
      return after;
    });
  }

  deleteBranch(fullName: string, branch: string): Promise<void> {
    const repository = this.world.repository(fullName);
    return repository.git.exclusively(async () => {
      const before = await repository.git.branch(branch);
      if (!before) throw new Error(`${fullName} has no branch ${branch}`);
      await repository.git.updateRef(`refs/heads/${branch}`, ZERO_SHA, before);
      await this.moved(repository, branch, before, ZERO_SHA);
    });
  }

  /** Reports a commit status, as an old-style CI does. */
  async setStatus(fullName: string, sha: string, context: string, state: StatusRecord['state']): Promise<void> {
    await createStatus(this.world, this.world.repository(fullName), this.login, { sha, context, state });
  }

  private moved(repository: RepositoryRecord, branch: string, before: string, after: string): Promise<void> {
    return refsMoved(this.world, repository, this.login, [{ ref: `refs/heads/${branch}`, before, after }]);
  }
}
