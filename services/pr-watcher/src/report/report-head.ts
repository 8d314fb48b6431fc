import { Bug, effectMarker, shortId } from '@capstan/domain';
import { requestEffect, type Database, type Effect, type PullRequest, type Tx } from '@capstan/database';
import type { EffectHandler, EffectOutcome, WriteContext } from '@capstan/service-kit';
import type { ForgeAccess, RepositoryAccess } from '../forge-access.js';

/** As it stands among the checks of a commit. */
const REPORT_NAME = 'Capstan';

/** Asks for the report on a head that was pushed, where Capstan is an app: a person's token can't make one. */
export async function requestReport(tx: Tx, row: PullRequest, traceparent: string | null): Promise<void> {
  const [app] = await tx.query(
    `select 1 from forge_app join repository on repository.workspace_id = forge_app.workspace_id
            and repository.credential_secret = forge_app.credential_secret
      where repository.id = $1 and forge_app.removed_at is null`,
    [row.repositoryId],
  );
  if (app === undefined) return;
  await requestEffect(tx, {
    workspaceId: row.workspaceId,
    taskId: row.taskId,
    runId: row.runId,
    epoch: 0,
    kind: 'report_head',
    key: `report_head:${row.id}:${row.pushedSha}`,
    arguments: { pullRequestId: row.id, sha: row.pushedSha },
    traceparent,
  });
}

/** Reports on a pushed head where it comes from, with a link to its task. Nothing waits for it, and nothing counts it. */
export class ReportHead implements EffectHandler {
  constructor(
    private readonly parts: {
      readonly database: Database;
      readonly access: ForgeAccess;
      /** Where people reach the dashboard. */
      readonly publicUrl: string;
    },
  ) {}

  async look(effect: Effect, signal: AbortSignal): Promise<EffectOutcome | null> {
    const { forge, connection, app } = await this.accessOf(effect);
    if (app === null) return { kind: 'refused', remoteId: null, result: { code: 'no_app' } };
    const found = await forge.findReport(connection, shaOf(effect), effectMarker(effect.id), signal);
    return found === null ? null : done(found.id);
  }

  async act(effect: Effect, { beforeWrite, signal }: WriteContext): Promise<EffectOutcome> {
    const { forge, connection } = await this.accessOf(effect);
    const [task] = await this.parts.database.query<{ title: string }>('select title from task where id = $1', [
      effect.taskId,
    ]);
    const url = `${this.parts.publicUrl}/tasks/${effect.taskId}`;
    const report = {
      sha: shaOf(effect),
      name: REPORT_NAME,
      title: `Task ${shortId(effect.taskId)}`,
      summary:
        `${task?.title ?? ''}\n\nPushed by Capstan. [What the agent did, and what this waits for](${url}).`.trim(),
      url,
      marker: effectMarker(effect.id),
    };
    await beforeWrite();
    return done((await forge.report(connection, report, signal)).id);
  }

  private async accessOf(effect: Effect): Promise<RepositoryAccess> {
    const id = effect.arguments['pullRequestId'];
    const [row] = await this.parts.database.query<Pick<PullRequest, 'repositoryId'>>(
      'select repository_id from pull_request where id = $1',
      [id],
    );
    if (row === undefined) throw new Bug(`a report without a pull request: effect ${effect.id}`);
    return this.parts.access.of(row.repositoryId, 'check');
  }
}

function shaOf(effect: Effect): string {
  return String(effect.arguments['sha']);
}

function done(remoteId: string): EffectOutcome {
  return { kind: 'done', remoteId, result: {} };
}
