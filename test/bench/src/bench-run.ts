import { join } from 'node:path';
import { unreachable } from '@capstan/domain';
import type { BenchOptions } from './bench-options.js';
import type { BenchConfig, BenchName } from './bench.config.js';
import { benchBurst } from './burst.bench.js';
import { setClock } from './clock.js';
import { benchDispatch } from './dispatch.bench.js';
import { benchEgress } from './egress.bench.js';
import { benchIdle } from './idle.bench.js';
import { benchLog } from './log.bench.js';
import { describeMachine, renderMachine, type Machine } from './machine.js';
import { benchReaction } from './reaction.bench.js';
import { render, type BenchReport } from './report.js';
import type { NamedReport, Results } from './results.js';
import { benchScale } from './scale.bench.js';
import { Stage } from './stage.js';
import { benchBoundary, benchStart } from './start.bench.js';
import { benchTakeover } from './takeover.bench.js';

const ALL_BUT_RUNNER = 'gateway,scheduler,pod-pool,pr-watcher,ticket-sync,webhooks,egress';

/** Benches on the same scene follow each other on one Capstan; another scene is another one, on an empty directory. */
type Scene = 'laptop' | 'isolated' | 'runners apart' | 'full';

const SCENE: Readonly<Record<BenchName, Scene>> = {
  start: 'laptop',
  boundary: 'isolated',
  idle: 'laptop',
  log: 'laptop',
  burst: 'laptop',
  dispatch: 'laptop',
  reaction: 'laptop',
  egress: 'laptop',
  takeover: 'runners apart',
  scale: 'full',
};

/** Agents of the other scenes wait for files of the bench, and the figures of former releases are of such agents. */
const ENVIRONMENT_OF: Readonly<Record<Scene, Readonly<Record<string, string>>>> = {
  laptop: { CAPSTAN_ISOLATION: 'off' },
  isolated: { CAPSTAN_ISOLATION: 'require' },
  'runners apart': { CAPSTAN_ISOLATION: 'off', CAPSTAN_SERVICES: ALL_BUT_RUNNER },
  full: { CAPSTAN_ISOLATION: 'off' },
};

function bench(name: BenchName, stage: Stage, options: BenchOptions): Promise<BenchReport> {
  switch (name) {
    case 'start':
      return benchStart(stage, options);
    case 'boundary':
      return benchBoundary(stage, options);
    case 'idle':
      return benchIdle(stage, options);
    case 'log':
      return benchLog(stage, options);
    case 'burst':
      return benchBurst(stage);
    case 'dispatch':
      return benchDispatch(stage, options);
    case 'reaction':
      return benchReaction(stage, options);
    case 'egress':
      return benchEgress(stage, options);
    case 'takeover':
      return benchTakeover(stage, options);
    case 'scale':
      return benchScale(stage, options);
    default:
      return unreachable(name);
  }
}

/** All benches that were asked for, one after the other. `close` may be called at any moment. */
export class BenchRun {
  private scene: Scene | null = null;
  /** Kept as a promise: what is half started when somebody presses Ctrl-C is ended too. */
  private opening: Promise<Stage> | null = null;
  private closing: Promise<void> = Promise.resolve();
  private stages = 0;
  private ended = false;
  /** Benches that broke off; what the others measured stands. */
  readonly failed: BenchName[] = [];

  constructor(
    private readonly config: BenchConfig,
    private readonly print: (text: string) => void,
  ) {}

  async all(): Promise<Results> {
    const { quick, starveMinutes, dataDir, benches } = this.config;
    const options: BenchOptions = { form: quick ? 'quick' : 'full', directory: dataDir, starveMinutes };
    let machine: Machine | null = null;
    const reports: NamedReport[] = [];
    for (const name of benches) {
      try {
        const stage = await this.stageFor(SCENE[name]);
        machine ??= await this.describe(stage);
        setClock();
        const report = { name, ...(await bench(name, stage, options)) };
        reports.push(report);
        this.print(render(report, { fsyncP50Ms: machine.fsyncMs.p50, judged: !quick }));
      } catch (error) {
        if (this.ended || machine === null) throw error;
        this.failed.push(name);
        this.print(`\n${name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
        // What it left behind is no ground to measure on.
        await this.leave();
      }
    }
    await this.leave();
    return { quick, machine: machine!, reports };
  }

  /** Nothing is begun any more. Whoever comes while it is being closed waits for that too: agents must not be left to themselves. */
  async close(): Promise<void> {
    this.ended = true;
    await this.leave();
  }

  private async leave(): Promise<void> {
    const { opening } = this;
    this.opening = null;
    this.scene = null;
    if (opening !== null) this.closing = opening.then((stage) => stage.close(), nothingToClose);
    await this.closing;
  }

  private async stageFor(scene: Scene): Promise<Stage> {
    if (this.scene !== scene) {
      await this.leave();
      if (this.ended) throw new Error('it was ended');
      this.scene = scene;
      const directory = `${(this.stages += 1)}-${scene.replaceAll(' ', '-')}`;
      this.opening = Stage.open(join(this.config.dataDir, directory), ENVIRONMENT_OF[scene]);
    }
    return this.opening!;
  }

  private async describe(stage: Stage): Promise<Machine> {
    const [row] = await stage.query<{ version: string }>(`select current_setting('server_version') as version`);
    const machine = describeMachine(this.config.dataDir, { postgres: row!.version });
    this.print(renderMachine(machine));
    return machine;
  }
}

/** What could not be opened has ended what it had started. */
function nothingToClose(): void {}
