import { Bug, effectMarker } from '@capstan/domain';
import type { Database, Effect, PullRequest, Tx } from '@capstan/database';
import { pullRequestChanged } from '@capstan/events';
import type { EffectHandler, EffectOutcome, WriteContext } from '@capstan/service-kit';
import type { ForgeAccess } from '../forge-access.js';
import { changedEvent } from '../follow/follow.apply.js';

/** Says why, then closes. What is closed or merged already is left alone. */
export class ClosePullRequest implements EffectHandler {
  constructor(
    private readonly database: Database,
    private readonly access: ForgeAccess,
  ) {}

  async look(effect: Effect, signal: AbortSignal): Promise<EffectOutcome | null> {
    const { row, number } = await rowOf(this.database, effect);
    if (number === null) return done({ opened: false });
    const { forge, connection } = await this.access.of(row.repositoryId, 'publish');
    const found = await forge.findByHead(connection, row.branch, signal);
    const remote = found.find((each) => each.number === number);
    return remote === undefined || remote.state === 'open' ? null : done({ merged: remote.merged });
  }

  async act(effect: Effect, context: WriteContext): Promise<EffectOutcome> {
    const { row, number } = await rowOf(this.database, effect);
    const { forge, connection } = await this.access.of(row.repositoryId, 'publish');
    await commentOnce(this.access, row, effect, String(effect.arguments['comment'] ?? ''), context);
    await context.beforeWrite();
    await forge.close(connection, number!, context.signal);
    return done({ merged: false });
  }

  async record(tx: Tx, effect: Effect, outcome: EffectOutcome): Promise<void> {
    if (outcome.kind === 'refused' || outcome.result['merged'] !== false) return;
    const [row] = await tx.query<PullRequest>(
      `update pull_request set state = 'closed', closed_at = coalesce(closed_at, clock_timestamp()), closed_by = 'capstan',
              refusal = null, decision = 'Closed by Capstan', version = version + 1
        where id = $1 and state in ('publishing','open','refused') returning *`,
      [effect.arguments['pullRequestId']],
    );
    if (row !== undefined) await tx.emit(pullRequestChanged, changedEvent(row));
  }
}

/** Leaves one comment on a pull request, known again by its marker. */
export class CommentPullRequest implements EffectHandler {
  constructor(
    private readonly database: Database,
    private readonly access: ForgeAccess,
  ) {}

  async look(effect: Effect, signal: AbortSignal): Promise<EffectOutcome | null> {
    const { row, number } = await rowOf(this.database, effect);
    if (number === null) return { kind: 'refused', remoteId: null, result: { code: 'not_opened' } };
    const { forge, connection } = await this.access.of(row.repositoryId, 'publish');
    const found = await forge.findComment(connection, number, effectMarker(effect.id), signal);
    return found === null ? null : { kind: 'done', remoteId: found.id, result: {} };
  }

  async act(effect: Effect, context: WriteContext): Promise<EffectOutcome> {
    const { row } = await rowOf(this.database, effect);
    const id = await commentOnce(this.access, row, effect, String(effect.arguments['body'] ?? ''), context);
    return { kind: 'done', remoteId: id, result: {} };
  }
}

async function commentOnce(
  access: ForgeAccess,
  row: PullRequest,
  effect: Effect,
  text: string,
  { signal, beforeWrite }: WriteContext,
): Promise<string | null> {
  if (text === '') return null;
  const { forge, connection } = await access.of(row.repositoryId, 'publish');
  const marker = effectMarker(effect.id);
  const found = await forge.findComment(connection, row.number!, marker, signal);
  if (found !== null) return found.id;
  await beforeWrite();
  return (await forge.comment(connection, row.number!, `${text}\n\n${marker}`, signal)).id;
}

async function rowOf(
  database: Database,
  effect: Effect,
): Promise<{ readonly row: PullRequest; readonly number: number | null }> {
  const id = effect.arguments['pullRequestId'];
  const [row] = await database.query<PullRequest>('select * from pull_request where id = $1', [id]);
  if (row === undefined) throw new Bug(`no pull request row for effect ${effect.id}`);
  return { row, number: row.number };
}

function done(result: Readonly<Record<string, unknown>>): EffectOutcome {
  return { kind: 'done', remoteId: null, result };
}
