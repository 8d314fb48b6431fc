import { TransientError, UserError, type FaultPort, type Id } from '@capstan/domain';
import type { Database } from '@capstan/database';
import { SupervisorClient, type Runtime } from '@capstan/runtimes';

/** What is to be fetched from a pod. */
export interface BundleWish {
  readonly runId: Id;
  readonly taskId: Id;
  readonly podId: Id;
  readonly generation: number;
  readonly base: string;
  readonly branch: string;
}

/** Where the commits of a run come from. Throws UserError when they are gone, TransientError when it may pass. */
export interface BundleSource {
  collect(wish: BundleWish): Promise<Buffer>;
}

/** The supervisor in the run's pod, asked through the pod's runtime. */
export class PodBundles implements BundleSource {
  constructor(
    private readonly database: Database,
    private readonly runtimeNamed: (kind: string) => Runtime,
    private readonly faults: FaultPort,
  ) {}

  async collect(wish: BundleWish): Promise<Buffer> {
    const [pod] = await this.database.query<{ name: string; runtime: string | null; gone: boolean }>(
      'select name, runtime, deleted_at is not null as gone from pod where id = $1',
      [wish.podId],
    );
    if (pod === undefined || pod.gone)
      throw new UserError('The pod that held the work is gone', { code: 'pod_lost', remedy: 'Retry the task.' });
    if (pod.runtime === null) throw new TransientError('The pod is not made yet', { code: 'pod_not_ready' });
    const [worktree] = await this.database.query<{ path: string; home: string }>(
      'select path, home from worktree where pod_id = $1 and task_id = $2 and generation = $3 and removed_at is null',
      [wish.podId, wish.taskId, wish.generation],
    );
    const directory = `worktrees/${wish.taskId}-g${wish.generation}`;
    await this.faults('collect.before');
    const bundle = await new SupervisorClient(this.runtimeNamed(pod.runtime), pod.name).collect(wish.runId, {
      worktree: worktree?.path ?? `${directory}/tree`,
      home: worktree?.home ?? `${directory}/home`,
      base: wish.base,
      branch: wish.branch,
    });
    await this.faults('collect.after');
    return bundle;
  }
}
