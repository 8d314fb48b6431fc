import type { Database, Repository, Secret } from '@capstan/database';
import { TransientError, UserError } from '@capstan/domain';
import { forge } from '@capstan/forges';
import type { Judgement } from './judgement.js';
import type { Target } from './targets.js';

/** What a valid token lacks all the same; undefined where it lacks nothing, or nothing more can be asked. */
export type AskPermissions = (
  asked: { readonly secret: Pick<Secret, 'workspaceId' | 'name'>; readonly target: Target },
  token: string,
  signal: AbortSignal,
) => Promise<Judgement | undefined>;

/** All the calls together. ms */
const TIMEOUT_MS = 10_000;

type Use = Pick<Repository, 'forge' | 'fullName' | 'apiUrl' | 'cloneUrl' | 'allowWorkflowChanges'> & {
  readonly watchesIssues: boolean;
};

/**
 * GitHub says of a fine-grained token that it sees the repository, and not what it may do there: each permission is
 * tested by a call that changes nothing. Of other tokens the first answer told already.
 */
export function askPermissions(database: Database): AskPermissions {
  return async ({ secret, target }, token, signal) => {
    if (target.call !== 'github-repository' || !token.startsWith('github_pat_')) return undefined;
    const [use] = await database.query<Use>(
      `select forge, full_name, api_url, clone_url, allow_workflow_changes,
          exists (select from ticket_source s where s.repository_id = r.id and s.enabled) as watches_issues
         from repository r
        where workspace_id = $1 and full_name = $2 and credential_secret = $3 and archived_at is null`,
      [secret.workspaceId, target.subject, secret.name],
    );
    if (use === undefined) return undefined;
    const uses = { tickets: use.watchesIssues, workflows: use.allowWorkflowChanges };
    try {
      const late = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
      const { permissions } = await forge(use.forge).checkAccess({ ...use, token }, uses, late);
      const lacking = permissions.filter(({ state, required }) => required && state === 'missing');
      if (lacking.length === 0) return undefined;
      const words = lacking.map(({ permission, words: said }) => `${permission} (${said ?? 'refused'})`);
      return { state: 'scope_too_narrow', words: `The token lacks ${words.join(', ')}` };
    } catch (error) {
      if (!(error instanceof TransientError || error instanceof UserError)) throw error;
      return { state: 'inconclusive', words: error.message };
    }
  };
}
