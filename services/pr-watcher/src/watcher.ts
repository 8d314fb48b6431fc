import { join } from 'node:path';
import type { Database } from '@capstan/database';
import type { Loops, Metrics } from '@capstan/service-kit';
import {
  EffectExecutor,
  type EffectHandler,
  type Found,
  type Logger,
  type Loop,
  type ParkedVerbs,
  type Vault,
} from '@capstan/service-kit';
import { TransientError, errorText, noFaults, type EffectKind, type FaultPort } from '@capstan/domain';
import { ClosePullRequest, CommentPullRequest } from './close/close-pull-request.js';
import { Follow } from './follow/follow.loop.js';
import { ForgeAccess } from './forge-access.js';
import { hearLoop } from './hear/hear.loop.js';
import { MergePullRequest } from './merge/merge-pull-request.js';
import { OpenPullRequest } from './open/open-pull-request.js';
import { ReportHead } from './report/report-head.js';
import { parkedVerbs } from './parked/parked-rows.apply.js';
import type { BundleSource } from './pod-bundle.js';
import { Intake } from './publish/intake.js';
import { Publish } from './publish/publish.loop.js';
import { Git } from './push/git.js';
import { Mirrors } from './push/mirror.js';
import { PushBranch } from './push/push-branch.js';
import { tidyMirrorsLoop } from './tidy-mirrors/tidy-mirrors.loop.js';

export interface WatcherOptions {
  readonly database: Database;
  readonly vault: Vault;
  readonly logger: Logger;
  readonly loops: Loops;
  readonly metrics: Metrics;
  readonly faults?: FaultPort;
  /** Name of this replica. */
  readonly owner: string;
  readonly bundles: BundleSource;
  /** Directory of the mirrors. */
  readonly mirrorsDirectory: string;
  /** Where people reach the dashboard, without a slash at the end. */
  readonly publicUrl: string;
  /** What git needs of the machine: PATH, proxies, certificates. */
  readonly gitEnvironment: Readonly<Record<string, string>>;
  /** Pace of the sweep over quiet pull requests. ms */
  readonly intervalMs: number;
}

/** How often a loop asks Postgres what is due, and how seldom while nothing is. ms */
const TICK_MS = 1_000;
const QUIET_MS = 4_000;
const LIMIT = 50;

/** The verbs of pr-watcher and their loops: publish, the effects, follow. */
export class Watcher {
  readonly publish: Publish;
  readonly follow: Follow;
  readonly effects: EffectExecutor;
  private readonly publishLoop: Loop;
  private readonly followLoop: Loop;
  private readonly effectLoop: Loop;
  /** What people may ask of its parked rows. */
  readonly parked: ParkedVerbs;
  private readonly logger: Logger;

  constructor(options: WatcherOptions) {
    const { database, vault, logger, loops, metrics, owner } = options;
    this.logger = logger;
    const access = new ForgeAccess(database, vault);
    const mirrors = new Mirrors(new Git(options.gitEnvironment), options.mirrorsDirectory);
    const intake = new Intake(database, vault, mirrors, options.bundles);
    const handlers: Partial<Record<EffectKind, EffectHandler>> = {
      push_branch: new PushBranch({ database, access, mirrors, intake }),
      open_pull_request: new OpenPullRequest(database, access),
      merge_pull_request: new MergePullRequest(database, access),
      close_pull_request: new ClosePullRequest(database, access),
      comment_pull_request: new CommentPullRequest(database, access),
      report_head: new ReportHead({ database, access, publicUrl: options.publicUrl }),
    };
    this.publish = new Publish({ database, access, intake, logger });
    this.follow = new Follow({ database, access, logger, intervalMs: options.intervalMs });
    this.effects = new EffectExecutor({
      database,
      executor: 'pr-watcher',
      owner,
      handlers,
      metrics,
      faults: options.faults ?? noFaults,
      report: (level, message, fields) => logger[level](fields, message),
    });
    this.parked = parkedVerbs({
      handlers,
      wake: () => {
        this.wakeEffects();
        this.wakePublish();
        this.wakeFollow();
      },
    });
    const every = (name: string, pass: () => Promise<Found>) =>
      loops.every({ name, everyMs: TICK_MS, quietMs: QUIET_MS, pass });
    this.publishLoop = every('publish', () => this.publish.begin(LIMIT));
    this.followLoop = every('follow', () => this.follow.begin(LIMIT));
    this.effectLoop = every('effects', async () => this.beginEffects());
    hearLoop(loops, database, () => this.wakeFollow());
    tidyMirrorsLoop(loops, { database, mirrors, directory: options.mirrorsDirectory, logger, metrics });
  }

  wakePublish(): void {
    void this.publishLoop.wake();
  }
  wakeFollow(): void {
    void this.followLoop.wake();
  }
  wakeEffects(): void {
    void this.effectLoop.wake();
  }

  /** Not awaited by the loop: a slow push must not hold up the others. */
  private beginEffects(): Found {
    this.effects.run().catch((error: unknown) => {
      // Without the database the other loops say so already.
      const level = error instanceof TransientError ? 'debug' : 'error';
      this.logger[level]({ err: error }, `effects could not be claimed: ${errorText(error)}`);
    });
    return this.effects.isQuiet ? 'nothing' : undefined;
  }

  /** Takes nothing new and waits for what is at work. */
  async close(): Promise<void> {
    await Promise.all([this.publishLoop.close(), this.followLoop.close()]);
    await this.effects.close();
    await Promise.all([this.effectLoop.close(), this.publish.drain(), this.follow.drain()]);
  }
}

/** Where the mirrors live. */
export function mirrorsDirectory(dataDirectory: string): string {
  return join(dataDirectory, 'mirrors');
}
