import { hostname } from 'node:os';
import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { errorText } from '@capstan/domain';
import { Database } from '@capstan/database';
import type { Runtime } from '@capstan/runtimes';
import { CONFIG, LOGGER, Loops, type Logger, type Loop } from '@capstan/service-kit';
import type { AgentRunnerConfig } from '../agent-runner.config.js';
import { ScratchPod } from '../scratch-pod/scratch-pod.js';
import { RUNTIME } from '../tokens.js';
import { recordLook } from './look-at-agents.apply.js';
import { AgentLook } from './look-at-agents.js';

/** Somebody installs a program, or logs in: it is seen within this, and at once when it is asked for. */
const LOOK_EVERY_MS = 300_000;

/** Keeps what this machine has of the agents' programs written down. */
@Injectable()
export class LookAtAgents implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly look: AgentLook;
  private readonly end = new AbortController();
  private loop: Loop | undefined;

  constructor(
    private readonly database: Database,
    private readonly loops: Loops,
    @Inject(RUNTIME) private readonly runtime: Runtime,
    @Inject(CONFIG) config: AgentRunnerConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.look = new AgentLook(runtime, config.CAPSTAN_LOGIN_HOME);
  }

  onApplicationBootstrap(): void {
    this.loop = this.loops.every({
      name: 'look at agents',
      everyMs: LOOK_EVERY_MS,
      pass: async () => {
        await this.pass();
        return undefined;
      },
    });
    void this.loop.wake();
  }

  beforeApplicationShutdown(): void {
    this.end.abort();
  }

  /** Looks now. @param anew asks every program for its version again */
  async pass(anew = false): Promise<void> {
    try {
      await ScratchPod.sweep(this.runtime);
      await recordLook(this.database, hostname(), await this.look.look(this.end.signal, anew));
    } catch (error) {
      if (!this.end.signal.aborted) throw error;
      this.logger.debug(`the look at the agents was broken off: ${errorText(error)}`);
    }
  }
}
