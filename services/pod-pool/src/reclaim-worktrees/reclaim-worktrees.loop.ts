import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { Id } from '@capstan/domain';
import { Database } from '@capstan/database';
import type { Runtime } from '@capstan/runtimes';
import { CONFIG, LOGGER, Loops, type Logger } from '@capstan/service-kit';
import type { PodPoolConfig } from '../pod-pool.config.js';
import { RUNTIME } from '../tokens.js';
import {
  dueWorktrees,
  removeOrphans,
  removeRunDirectories,
  removeWorktree,
  type ReclaimPorts,
} from './reclaim-worktrees.apply.js';

const ORPHANS_MS = 300_000;

/** Removes worktrees that nobody will come back to, and those that nobody knows. */
@Injectable()
export class ReclaimWorktreesLoop implements OnApplicationBootstrap {
  private readonly ports: ReclaimPorts;

  constructor(
    private readonly database: Database,
    private readonly loops: Loops,
    @Inject(RUNTIME) runtime: Runtime,
    @Inject(CONFIG) private readonly config: PodPoolConfig,
    @Inject(LOGGER) logger: Logger,
  ) {
    this.ports = {
      database,
      runtime,
      endedMs: config.CAPSTAN_WORKTREE_ENDED_MS,
      openedMs: config.CAPSTAN_WORKTREE_OPENED_MS,
      report: (level, message, fields) => logger[level](fields, message),
    };
  }

  onApplicationBootstrap(): void {
    this.loops.resync({
      name: 'reclaim worktrees',
      everyMs: this.config.CAPSTAN_HEALTH_CHECK_INTERVAL_MS,
      due: (limit) => dueWorktrees(this.ports, limit),
      handle: (worktree) => removeWorktree(this.ports, worktree),
    });
    this.loops.resync<{ id: Id; name: string; workspaceId: Id }>({
      name: 'orphans',
      everyMs: ORPHANS_MS,
      due: (limit) =>
        this.database.query(
          `select id, name, workspace_id from pod where state = 'ready' and deleted_at is null limit $1`,
          [limit],
        ),
      handle: async (pod) => {
        await removeOrphans(this.ports, pod);
        await removeRunDirectories(this.ports, pod);
      },
    });
  }
}
