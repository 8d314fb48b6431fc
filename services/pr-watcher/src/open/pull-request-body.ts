import { shortId, type Id } from '@capstan/domain';

/** What the pull request's text is made from. */
export interface PullRequestText {
  readonly taskId: Id;
  /** First lines of the commits. */
  readonly commits: readonly string[];
  /** The ticket, when there is one, and whether its number means the same in the repository. */
  readonly ticket: { readonly key: string; readonly url: string; readonly sameRepository: boolean } | null;
  /** Places that the agents of the task asked egress for and were not let to, and how often, the most wanted first. */
  readonly blocked: readonly { readonly place: string; readonly times: number }[];
}

/** As many as a reader looks at. */
const BLOCKED_SHOWN = 20;

/** By which a pull request is known to be a task's. */
export function taskMarker(taskId: Id): string {
  return `<!-- capstan:task:${taskId} -->`;
}

/**
 * The text of a pull request. It never closes the ticket by a keyword: Capstan closes it once the task is completed.
 * The commits' lines were written by an agent and are shown as code, so that they mention and close nothing.
 */
export function pullRequestBody({ taskId, commits, ticket, blocked }: PullRequestText): string {
  const parts: string[] = [];
  if (ticket !== null) parts.push(`For ${ticket.sameRepository ? `#${ticket.key}` : ticket.url}.`);
  if (commits.length > 0) parts.push(['**Commits**', ...commits.map((line) => `- ${code(line)}`)].join('\n'));
  if (blocked.length > 0) parts.push(blockedPart(blocked));
  parts.push(`Made by Capstan, task \`${shortId(taskId)}\`. It follows the checks and reviews of this pull request.`);
  parts.push(taskMarker(taskId));
  return parts.join('\n\n');
}

/** Names that an agent chose: shown as code, like its commits. */
function blockedPart(blocked: PullRequestText['blocked']): string {
  const lines = blocked
    .slice(0, BLOCKED_SHOWN)
    .map(({ place, times }) => `- ${code(place)}, ${times === 1 ? 'once' : `${times} times`}`);
  const more = blocked.length - lines.length;
  return [
    '**Blocked on the way**: the agent asked for these hosts, which this repository does not allow.',
    '',
    ...lines,
    ...(more > 0 ? [`- and ${more} more`] : []),
  ].join('\n');
}

function code(line: string): string {
  return `\`${line.replaceAll('`', "'").slice(0, 200)}\``;
}
