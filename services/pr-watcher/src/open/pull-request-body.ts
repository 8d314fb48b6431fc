import { shortId, type Id } from '@capstan/domain';

/** What the pull request's text is made from. */
export interface PullRequestText {
  readonly taskId: Id;
  /** First lines of the commits. */
  readonly commits: readonly string[];
  /** The ticket, when there is one, and whether its number means the same in the repository. */
  readonly ticket: { readonly key: string; readonly url: string; readonly sameRepository: boolean } | null;
}

/** By which a pull request is known to be a task's. */
export function taskMarker(taskId: Id): string {
  return `<!-- capstan:task:${taskId} -->`;
}

/**
 * The text of a pull request. It never closes the ticket by a keyword: Capstan closes it once the task is completed.
 * The commits' lines were written by an agent and are shown as code, so that they mention and close nothing.
 */
export function pullRequestBody({ taskId, commits, ticket }: PullRequestText): string {
  const parts: string[] = [];
  if (ticket !== null) parts.push(`For ${ticket.sameRepository ? `#${ticket.key}` : ticket.url}.`);
  if (commits.length > 0) parts.push(['**Commits**', ...commits.map((line) => `- ${code(line)}`)].join('\n'));
  parts.push(`Made by Capstan, task \`${shortId(taskId)}\`. It follows the checks and reviews of this pull request.`);
  parts.push(taskMarker(taskId));
  return parts.join('\n\n');
}

function code(line: string): string {
  return `\`${line.replaceAll('`', "'").slice(0, 200)}\``;
}
