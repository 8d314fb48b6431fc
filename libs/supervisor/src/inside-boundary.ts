import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { LaunchRequest } from '@capstan/domain';
import { STOP_GRACE_MS } from '@capstan/domain';
import { failureOf, spawnAgent, wantsStdin } from './agent-process.js';
import { Channel } from './channel.js';
import type { InnerWord, KeeperWord } from './channel.js';
import { askNeighboursToEnd, endNeighbours, pidNamespace, signalTo } from './processes.js';
import { placeFiles } from './place-files.js';
import { relay } from './relay.js';

/**
 * The supervisor inside an agent's boundary: passes the agent's connections on, starts it with the descriptors that it
 * has itself, and does with signals what the keeper can't do from outside. Everything here is the agent's to meddle
 * with; nothing outside rests on it. Ends when the agent has, and the boundary ends with it.
 */
export async function runAgentInside(runId: string): Promise<void> {
  const inner = new Inner(runId);
  await inner.over;
}

class Inner {
  readonly over: Promise<void>;
  private finish!: () => void;
  private readonly channel: Channel<InnerWord, KeeperWord>;
  private agent: ChildProcess | undefined;
  private ready: Promise<void> = Promise.resolve();

  constructor(private readonly runId: string) {
    this.over = new Promise((resolve) => (this.finish = resolve));
    // Without its keeper there is no run.
    this.channel = Channel.inside(
      (word) => this.hear(word),
      () => process.exit(1),
    );
  }

  private hear(word: KeeperWord): void {
    if ('open' in word) this.ready = this.open(word.open);
    else if ('start' in word) void this.start(word.start);
    else if (word.ask === 'end') askNeighboursToEnd();
    else if (this.agent?.pid !== undefined) signalTo(-this.agent.pid, 'SIGINT');
  }

  private async open({ namespace, relay: to }: Extract<KeeperWord, { open: unknown }>['open']): Promise<void> {
    // Below, everything that isn't this process is ended.
    if (namespace === pidNamespace()) throw new Error('this is not inside a boundary');
    if (to !== undefined) await relay(to);
  }

  private async start({ root, request }: Extract<KeeperWord, { start: unknown }>['start']): Promise<void> {
    try {
      await this.ready;
      placeFiles(root, request);
      await this.launch(request);
    } catch (error) {
      await this.channel.say({ failed: error instanceof Error ? error.message : String(error) });
      this.finish();
    }
  }

  private async launch(request: Omit<LaunchRequest, 'boundary'>): Promise<void> {
    const [program = '', ...rest] = request.argv;
    const agent = spawnAgent(this.runId, request, (options) =>
      spawn(program, rest, { ...options, stdio: [wantsStdin(request) ? 'inherit' : 'ignore', 'inherit', 'inherit'] }),
    );
    agent.once('exit', (code, signal) => void this.ended({ code, signal }, request.graceMs ?? STOP_GRACE_MS));
    if (agent.pid === undefined) throw await failureOf(agent, request);
    this.agent = agent;
    await this.channel.say({ started: true });
  }

  private async ended(exit: { code: number | null; signal: string | null }, graceMs: number): Promise<void> {
    await this.channel.say({ exit });
    await endNeighbours(graceMs);
    this.finish();
  }
}
