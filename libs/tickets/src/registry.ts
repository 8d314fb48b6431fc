import { UserError } from '@capstan/domain';
import { createGitHubIssues } from './github-issues/github-issues.adapter.js';
import type { Tickets } from './ticket.port.js';

/** Every tracker that Capstan knows: one line each. */
const TRACKERS: readonly Tickets[] = [
  createGitHubIssues(), // issues of github.com and GitHub Enterprise Server
];

export const TRACKER_NAMES: readonly string[] = TRACKERS.map(({ name }) => name);

/** The tracker of that name. Throws UserError `tracker_unknown` with the field `tracker`. */
export function tracker(name: string): Tickets {
  const found = TRACKERS.find((each) => each.name === name);
  if (found) return found;
  throw new UserError(`unsupported tracker "${name}"; expected ${TRACKER_NAMES.join(', ')}`, {
    code: 'tracker_unknown',
    status: 422,
    field: 'tracker',
    remedy: `Choose one of: ${TRACKER_NAMES.join(', ')}.`,
  });
}
