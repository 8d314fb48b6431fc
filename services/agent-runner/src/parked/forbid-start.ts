import { UserError } from '@capstan/domain';
import type { Run, Tx } from '@capstan/database';
import { SupervisorClient, type Runtime } from '@capstan/runtimes';

/**
 * Sees to it that no agent of a run is ever started, though an owner that slept may still ask for it: the supervisor is
 * told to stop the run under an epoch that none of them had. Takes up to 30 s where the pod doesn't answer.
 * @returns false when nobody can say so: the pod couldn't be asked, or an agent is there that nobody heard of.
 */
export async function forbidStart(tx: Tx, runtime: Runtime, run: Run): Promise<boolean> {
  if (run.epoch === 0) return true; // nobody ever had it
  const [pod] = await tx.query<{ name: string; gone: boolean }>(
    'select name, deleted_at is not null as gone from pod where id = $1',
    [run.podId],
  );
  if (pod!.gone) return true;
  const supervisor = new SupervisorClient(runtime, pod!.name);
  const epoch = run.epoch + 1;
  try {
    const { refusal } = await supervisor.command(run.id, { id: `never-${epoch}`, epoch, command: 'stop' });
    if (refusal === 'fenced') return false;
    return (await supervisor.status(run.id)).state !== 'running';
  } catch (error) {
    // Whatever else it is, the drop goes on: a run that is fenced has its pod replaced.
    return error instanceof UserError && error.code === 'pod_not_found';
  }
}
