import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { errorText } from '@capstan/domain';
import type { SupervisorClient } from '@capstan/runtimes';
import pg from 'pg';

export interface RunningAgents {
  readonly count: number;
  /** When the last of them is ended by its supervisor at the latest; undefined when that isn't known. */
  readonly until: Date | undefined;
}

/** How many agents run, as the database knows it: for the moment before it is stopped. */
export async function countAgents(databaseUrl: string): Promise<RunningAgents> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 3_000 });
  client.on('error', () => undefined); // the query below reports it
  await client.connect();
  try {
    const answer = await client.query<{ count: string; until: Date | null }>(
      `select count(*) as count, max(deadline_at) as until from run where state = 'running'`,
    );
    const row = answer.rows[0];
    return { count: Number(row?.count ?? 0), until: row?.until ?? undefined };
  } finally {
    await client.end();
  }
}

interface LiveRun {
  readonly pod: string;
  readonly runId: string;
  readonly epoch: number;
}

/**
 * Agents of this machine, asked of their supervisors; works while everything else is down. Costs some 50 ms for each
 * run whose directory is still there.
 */
export async function findAgents(pods: string, supervisorFile: string): Promise<readonly LiveRun[]> {
  const names = namesIn(pods).filter((name) => existsSync(join(pods, `${name}.json`)));
  if (names.length === 0) return [];
  const clientOf = await supervisors(pods, supervisorFile);
  const found: LiveRun[] = [];
  for (const pod of names) {
    const client = clientOf(pod);
    for (const runId of namesIn(join(pods, pod, 'runs'))) {
      const status = await client.status(runId);
      if (status.state === 'running') found.push({ pod, runId, epoch: status.epoch });
    }
  }
  return found;
}

/**
 * Stops every agent on this machine: interrupt, then kill. What they did so far stays in their worktrees, and Capstan
 * learns of their end at its next start.
 * @returns how many were stopped, and why others were not.
 */
export async function stopAgents(
  pods: string,
  supervisorFile: string,
): Promise<{ readonly stopped: number; readonly failures: readonly string[] }> {
  const runs = await findAgents(pods, supervisorFile);
  if (runs.length === 0) return { stopped: 0, failures: [] };
  const clientOf = await supervisors(pods, supervisorFile);
  const failures: string[] = [];
  await Promise.all(
    runs.map(async ({ pod, runId, epoch }) => {
      const client = clientOf(pod);
      try {
        const answer = await client.command(runId, { id: randomUUID(), epoch, command: 'stop' });
        if (!answer.accepted && answer.refusal !== 'ended')
          throw new Error(`refused: ${answer.refusal ?? 'no reason'}`);
        await untilEnded(client, runId);
      } catch (error) {
        failures.push(`run ${runId}: ${errorText(error)}`);
      }
    }),
  );
  return { stopped: runs.length - failures.length, failures };
}

/** Loaded when there is somebody to ask: the runtimes bring a large client along. */
async function supervisors(pods: string, supervisorFile: string): Promise<(pod: string) => SupervisorClient> {
  const { LocalRuntime, SupervisorClient } = await import('@capstan/runtimes');
  const runtime = new LocalRuntime({ directory: pods, supervisorFile });
  return (pod) => new SupervisorClient(runtime, pod);
}

const ENDS_WITHIN_MS = 20_000;

async function untilEnded(client: SupervisorClient, runId: string): Promise<void> {
  const end = performance.now() + ENDS_WITHIN_MS;
  while ((await client.status(runId)).state === 'running') {
    if (performance.now() > end) throw new Error(`still runs after ${ENDS_WITHIN_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function namesIn(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}
