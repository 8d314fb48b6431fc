import { LEASE_MS } from '@capstan/domain';
import { LoneHost } from '@capstan/test-support';
import { sleep } from './clock.js';
import type { Stage } from './stage.js';

export interface RunnerHost {
  readonly process: LoneHost;
  /** The name under which it leases. */
  readonly worker: string;
  readonly readyAt: number;
}

/** Hosts with agent-runner alone, beside a stage whose own host has none. */
export class RunnerHosts {
  private hosts: RunnerHost[] = [];

  constructor(private readonly stage: Stage) {}

  get all(): readonly RunnerHost[] {
    return this.hosts;
  }

  async start(): Promise<void> {
    const before = new Set(await this.workers());
    const process = await LoneHost.start(this.stage, 'agent-runner', { CAPSTAN_WORKER_SLOTS: '1000' });
    const starting: RunnerHost = { process, worker: '', readyAt: 0 };
    this.hosts.push(starting);
    await process.untilReady();
    const worker = (await this.workers()).find((id) => !before.has(id));
    if (worker === undefined) throw new Error('a runner is ready, and no worker of it is there');
    const ready = { process, worker, readyAt: performance.now() };
    this.hosts = this.hosts.map((host) => (host === starting ? ready : host));
  }

  /** A runner takes nothing over in its own first three seconds; before that a kill would wait for that as well. */
  async untilSettled(): Promise<void> {
    const youngest = Math.max(...this.hosts.map(({ readyAt }) => readyAt));
    await sleep(Math.max(0, youngest + LEASE_MS + 500 - performance.now()));
  }

  async kill(victim: RunnerHost): Promise<void> {
    this.hosts = this.hosts.filter((host) => host !== victim);
    await victim.process.kill();
  }

  async close(): Promise<void> {
    await Promise.all(this.hosts.map(({ process }) => process.stop()));
    this.hosts = [];
  }

  private async workers(): Promise<string[]> {
    return (await this.stage.query<{ id: string }>('select id from worker')).map(({ id }) => id);
  }
}
