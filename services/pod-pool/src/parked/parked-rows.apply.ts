import { UserError } from '@capstan/domain';
import { podChanged } from '@capstan/events';
import type { Pod, Tx } from '@capstan/database';
import type { ParkedVerb, ParkedVerbs } from '@capstan/service-kit';

/** Pods that could not be brought on. @param step takes one a step further. */
export function parkedVerbs(step: (podId: string) => Promise<void>): ParkedVerbs {
  return { pod: { ...PARKED_POD, wake: ({ id }: Pod) => step(id) } satisfies ParkedVerb<Pod> };
}

const PARKED_POD: ParkedVerb<Pod> = {
  replay: async (tx, pod) => {
    await change(tx, pod, `deadline_at = null`);
    return 'The pod is looked at again, and gets work as soon as it is ready';
  },
  /** Deleted; where an agent lives in it, that agent would die with its work. */
  drop: async (tx, pod) => {
    const [runs] = await tx.query<{ alive: number }>(
      `select count(*)::int as alive from run where pod_id = $1 and state in ('leased','running')`,
      [pod.id],
    );
    const alive = runs!.alive;
    if (alive > 0)
      throw new UserError(`${alive === 1 ? 'An agent is' : `${alive} agents are`} at work in this pod`, {
        code: 'drop_refused',
        remedy: 'Replay it, or cancel the tasks that run there first.',
      });
    await change(tx, pod, `state = 'terminating', parked_at = null, attempts = 0, not_before = null`);
    return 'The pod is deleted; another one is made when there is work';
  },
};

async function change(tx: Tx, pod: Pod, set: string): Promise<void> {
  const [row] = await tx.query<Pod>(
    `update pod set ${set}, version = version + 1 where id = $1 and deleted_at is null returning *`,
    [pod.id],
  );
  if (row === undefined) return;
  const { workspaceId, repositoryId, state, version } = row;
  await tx.emit(podChanged, { workspaceId, podId: row.id, repositoryId, state, version });
}
