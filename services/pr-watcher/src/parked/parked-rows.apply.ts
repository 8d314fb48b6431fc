import { UserError, type EffectKind } from '@capstan/domain';
import { pullRequestChanged } from '@capstan/events';
import { unparkRow, type AttentionJson, type Effect, type PullRequest, type Tx } from '@capstan/database';
import { parkedEffect, type EffectHandler, type ParkedVerb, type ParkedVerbs } from '@capstan/service-kit';
import { changedEvent } from '../follow/follow.apply.js';

/** Effects that carry a run's work to the forge: while one of them is parked, its pull request is refused. */
const PUBLISHING: readonly EffectKind[] = ['push_branch', 'open_pull_request'];

export interface ParkedParts {
  readonly handlers: Partial<Record<EffectKind, EffectHandler>>;
  /** Wakes publish, follow and the effects. */
  readonly wake: () => void;
}

/** Effects and pull requests that failed at their cap. */
export function parkedVerbs({ handlers, wake }: ParkedParts): ParkedVerbs {
  return {
    effect: parkedEffect({
      handlers,
      wake,
      replayed: (tx, effect) => takeBack(tx, pullRequestOf(effect)),
      dropped: async (tx, effect, { words }) => {
        if (!PUBLISHING.includes(effect.kind)) return undefined;
        await refuse(tx, pullRequestOf(effect), { code: 'dropped', detail: words });
        return 'the work is not published, and its task needs a person';
      },
    }),
    pull_request: { ...PARKED_PULL_REQUEST, wake } satisfies ParkedVerb<PullRequest>,
  };
}

const PARKED_PULL_REQUEST: ParkedVerb<PullRequest> = {
  replay: async (tx, row) => {
    await tx.query('update pull_request set claimed_until = null where id = $1', [row.id]);
    const effects = await tx.query<Effect>(
      `select * from effect where task_id = $1 and kind = any($2) and parked_at is not null and arguments->>'pullRequestId' = $3`,
      [row.taskId, PUBLISHING, row.id],
    );
    for (const { id } of effects) await unparkRow(tx, 'effect', id);
    await takeBack(tx, row.id);
    return row.state === 'refused' ? 'The work is published again' : 'It is looked at now';
  },
  /** What stands at the forge is followed as long as its task wants it: only what was never published can be dropped. */
  drop: async (tx, row, { words }) => {
    if (row.state === 'open')
      throw new UserError(`Pull request #${row.number} is open: nobody would see its checks or its merge any more`, {
        code: 'drop_refused',
        remedy: 'Replay it, or close the pull request at the forge, or cancel its task, which leaves it open there.',
      });
    await refuse(tx, row.id, { code: 'dropped', detail: words });
    return row.state === 'closed' ? 'It is not looked at any more' : 'The work is not published';
  },
};

/** What was refused because it was parked is wanted again. */
async function takeBack(tx: Tx, pullRequestId: string): Promise<void> {
  const [row] = await tx.query<PullRequest>(
    `update pull_request set refusal = null, parked_at = null, attempts = 0, claimed_until = null,
            state = case when state = 'refused' then 'publishing' else state end, decision = 'Tried again',
            next_check_at = clock_timestamp(), version = version + 1
      where id = $1 and state in ('refused','open') and refusal->>'code' = 'effect_parked' returning *`,
    [pullRequestId],
  );
  if (row !== undefined) await tx.emit(pullRequestChanged, changedEvent(row));
}

async function refuse(tx: Tx, pullRequestId: string, refusal: AttentionJson): Promise<void> {
  const [row] = await tx.query<PullRequest>(
    `update pull_request set state = case when state = 'publishing' then 'refused' else state end, parked_at = null, attempts = 0,
            refusal = $2, decision = 'Dropped by a person', claimed_until = null, version = version + 1,
            next_check_at = case when state = 'closed' then clock_timestamp() + interval '14 days' else clock_timestamp() end
      where id = $1 and state in ('publishing','refused','closed') returning *`,
    [pullRequestId, JSON.stringify(refusal)],
  );
  if (row !== undefined) await tx.emit(pullRequestChanged, changedEvent(row));
}

function pullRequestOf({ arguments: args }: Effect): string {
  return String(args['pullRequestId']);
}
