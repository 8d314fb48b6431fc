import type { CredentialCheck, Database, Repository, Secret } from '@capstan/database';
import type { CredentialUser, NamedSecret } from '../provider/targets.js';

/** Every secret and what was said of it, as of one moment. No value is among it. */
export interface CredentialSnapshot {
  /** The database's time. */
  readonly now: Date;
  readonly secrets: readonly (NamedSecret & Pick<Secret, 'workspaceId' | 'version' | 'verifyAskedAt'>)[];
  readonly repositories: readonly (CredentialUser & Pick<Repository, 'workspaceId'>)[];
  readonly checks: readonly KnownCheck[];
}

export type KnownCheck = Pick<
  CredentialCheck,
  'secretId' | 'target' | 'secretVersion' | 'beganAt' | 'claimedUntil' | 'nextCheckAt' | 'version'
>;

/** Reads it for all workspaces, without what belongs to archived repositories. */
export async function readCredentials(database: Database): Promise<CredentialSnapshot> {
  return database.transaction(async (tx) => {
    const [{ now } = { now: new Date(0) }] = await tx.query<{ now: Date }>('select clock_timestamp() as now');
    const secrets = await tx.query<CredentialSnapshot['secrets'][number]>(
      `select s.id, s.workspace_id, s.repository_id, s.user_id, s.name, s.version, s.verify_asked_at,
              (select jsonb_build_object('appId', a.app_id, 'slug', a.slug, 'apiUrl', a.api_url) from forge_app a
                where a.workspace_id = s.workspace_id and a.credential_secret = s.name and a.removed_at is null
                  and s.repository_id is null and s.user_id is null) as app
         from secret s left join repository r on r.id = s.repository_id where r.archived_at is null`,
    );
    const repositories = await tx.query<CredentialSnapshot['repositories'][number]>(
      `select id, workspace_id, full_name, api_url, credential_secret, agent from repository where archived_at is null`,
    );
    const checks = await tx.query<KnownCheck>(
      `select secret_id, target, secret_version, began_at, claimed_until, next_check_at, version from credential_check`,
    );
    return { now, secrets, repositories, checks };
  });
}
