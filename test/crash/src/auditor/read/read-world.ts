import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { WORKTREES_KEPT_MS, type Stage } from '../../stage/stage.js';
import { readTruth } from '../../workload/truth.js';
import { REPOSITORIES, truthDirOf, type Workload } from '../../workload/workload.js';
import type { WantedTask, World } from '../world.js';
import { readDatabase } from './database.js';
import { readForge } from './forge.js';
import { readMachine } from './machine.js';

/** Reads everything that is judged, from where it really is. */
export async function readWorld(stage: Stage, workload: Workload): Promise<World> {
  const { now, ...database } = await readDatabase(stage.database);
  const directory = join(stage.dataDir, 'forge');
  const token = stage.double.createToken({ login: 'auditor', permissions: 'read' });
  const forge = { directory, apiUrl: stage.double.apiUrl, token };
  const dataDirs = Array.from({ length: stage.replicas }, (_, replica) =>
    replica === 0 ? stage.capstanDir : `${stage.capstanDir}-${replica}`,
  ).filter((each) => existsSync(each));
  return {
    now,
    worktreesKeptMs: WORKTREES_KEPT_MS,
    wanted: workload.tasks.map(({ name, kind, fullName, via }): WantedTask => {
      const ticket = workload.tickets.get(name) ?? null;
      return { name, kind, fullName, ticket, postedId: via === 'post' ? (workload.posted.get(name) ?? '') : null };
    }),
    agents: readTruth(truthDirOf(stage)),
    takenLives: [...stage.takenLives],
    database,
    forge: await Promise.all(REPOSITORIES.map((fullName) => readForge(forge, fullName))),
    journal: stage.double.journal,
    machine: readMachine(
      join(stage.capstanDir, 'pods'),
      dataDirs.flatMap((each) => [join(each, 'mirrors'), ...(each === stage.capstanDir ? [join(each, 'pods')] : [])]),
    ),
    hosts: stage.hosts.all.map(({ name, events }) => ({ name, events })),
    complaints: stage.complaints,
  };
}
