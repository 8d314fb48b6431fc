import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Task } from '@capstan/api';
import { FAULT_POINTS, type FaultPoint } from '@capstan/domain';
import { eventually } from '@capstan/test-support';
import type { Action } from '../adversary/action.js';
import type { Random } from '../adversary/random.js';
import { SERVICES, type Service, type Stage } from '../stage/stage.js';
import { arm, disarm, hasFired } from './host/armed.js';
import { FAULT_DIRECTORY } from './host/program.config.js';
import { firstPointsOf, inOrder, ownersOf, stepOf } from './points.js';

/** The program of hosts that listen at fault points. */
export const HOST_PROGRAM = join(import.meta.dirname, 'host', 'program.js');

/** What such hosts are told, for `StageOptions.env`. */
export function faultEnvironment(dataDir: string): Record<string, string> {
  const directory = join(dataDir, 'fault-points');
  mkdirSync(directory, { recursive: true });
  return { [FAULT_DIRECTORY]: directory };
}

/** Nobody came by in that time: the point's turn comes again later. ms */
const PATIENCE_MS = 12_000;
const PROVOKE_EVERY_MS = 2_000;
/** Of one service, each time that the action is drawn: the runner alone has eighteen points to die at. */
const CHARGES_PER_TURN = 3;

export interface Passed {
  readonly point: FaultPoint;
  readonly service: Service;
  /** Unix ms; when the death was seen. */
  readonly at: number;
}

/** What became of the fault points in one run. */
export interface FaultPointReport {
  readonly fired: readonly Passed[];
  readonly never: readonly FaultPoint[];
}

/**
 * Lets a host die at every fault point, at least once each, in an order that the seed gives. At any time a service has
 * one charge at most; whichever of its replicas comes by dies, and its keeper starts it again.
 */
class Walk {
  readonly fired: Passed[] = [];
  private waiting: FaultPoint[] | null = null;
  private readonly busy = new Set<Service>();
  private preparing: Promise<void> = Promise.resolve();
  private charges = 0;

  constructor(private readonly stage: Stage) {}

  get never(): FaultPoint[] {
    return FAULT_POINTS.filter((point) => !this.fired.some((passed) => passed.point === point));
  }

  /** Charges every service that has points to come and isn't charged; resolves when each had its charges. */
  async round(random: Random, note: (text: string) => void): Promise<void> {
    this.waiting ??= inOrder((of) => random.shuffled(of));
    await Promise.all(random.shuffled(SERVICES).map((service) => this.turn(service, random.fork(), note)));
  }

  /** A few points of one service, one after the other. */
  private async turn(service: Service, random: Random, note: (text: string) => void): Promise<void> {
    if (this.busy.has(service)) return;
    this.busy.add(service);
    try {
      for (let charge = 0; charge < CHARGES_PER_TURN; charge += 1) {
        const point = this.waiting!.find((each) => ownersOf(each).includes(service));
        if (point === undefined) return;
        this.waiting = this.waiting!.filter((each) => each !== point);
        if (!(await this.attempt(service, point, random.int(1, 2), note))) this.waiting.push(point);
      }
    } finally {
      this.busy.delete(service);
    }
  }

  /** The first points of one service, each until it was met or nobody can meet it any more. */
  async first(service: Service, isOver: () => boolean, note: (text: string) => void): Promise<void> {
    const points = firstPointsOf(service);
    if (points.length === 0) return;
    this.busy.add(service);
    try {
      for (const point of points) while (!isOver() && !(await this.attempt(service, point, 1, note)));
    } finally {
      this.busy.delete(service);
    }
  }

  /** One charge. @returns whether somebody met it. */
  async attempt(service: Service, point: FaultPoint, nth: number, note: (text: string) => void): Promise<boolean> {
    const directory = await this.prepared(service);
    const id = `${String((this.charges += 1)).padStart(4, '0')}-${service}-${point}`;
    arm(directory, service, { id, point, nth });
    const end = performance.now() + PATIENCE_MS;
    for (let provoked = 0; performance.now() < end && !hasFired(directory, id); await pause(50)) {
      if (performance.now() < provoked + PROVOKE_EVERY_MS) continue;
      provoked = performance.now();
      await this.provoke(point);
    }
    disarm(directory, service);
    if (!hasFired(directory, id)) {
      note(`${service} didn't come by ${point}`);
      return false;
    }
    await this.pardon(service);
    this.fired.push({ point, service, at: Date.now() });
    note(`${service} died at ${point}, passage ${nth}`);
    return true;
  }

  /** A host that died at a point didn't end by itself: the suite asked for it, by other means than a signal. */
  private async pardon(service: Service): Promise<void> {
    const find = (): boolean => {
      for (const { events } of this.stage.hosts.of(service)) {
        const at = events.findIndex(({ what, signal, asked }) => what === 'ended' && signal === 'SIGKILL' && !asked);
        if (at === -1) continue;
        events[at] = { ...events[at]!, asked: true };
        return true;
      }
      return false;
    };
    // Another action may have killed it in the same moment: that one was asked for already.
    await eventually(find, 5_000).catch(() => undefined);
  }

  /** Hosts that run the plain program are replaced, one after the other. */
  private async prepared(service: Service): Promise<string> {
    const environment = faultEnvironment(this.stage.dataDir);
    const former = this.preparing;
    this.preparing = (async () => {
      await former.catch(() => undefined); // its own caller is told
      for (const host of this.stage.hosts.of(service)) {
        if (host.env[FAULT_DIRECTORY] !== undefined) continue;
        this.stage.hostEntry = HOST_PROGRAM;
        await host.restart(environment);
      }
    })();
    await this.preparing;
    return environment[FAULT_DIRECTORY]!;
  }

  /** What the workload asks of nobody is asked here: a task that is at work is given another priority. */
  private async provoke(point: FaultPoint): Promise<void> {
    if (!['ask', 'answer'].includes(stepOf(point))) return;
    const { status, body } = await this.stage.call<{ items: Task[] }>(
      'GET',
      '/api/tasks?limit=50',
      undefined,
      {},
      3_000,
    );
    if (status !== 200) return;
    const task = body.items.find(({ state }) => state !== 'completed' && state !== 'cancelled');
    if (task === undefined) return;
    await this.stage.call('PATCH', `/api/tasks/${task.id}`, { priority: 100 + (this.charges % 50) }, {}, 3_000);
  }
}

const walks = new WeakMap<Stage, Walk>();

function walkOf(stage: Stage): Walk {
  const known = walks.get(stage) ?? new Walk(stage);
  walks.set(stage, known);
  return known;
}

/** Up to seven hosts at a time die at points that haven't been reached yet. */
export const walkFaultPoints: Action = {
  name: 'walk-fault-points',
  weight: 8,
  act: (stage, random, note) => walkOf(stage).round(random, note),
};

/** The points that only the first tasks meet, until all have arrived; to be begun with the first. */
export async function walkFirstPoints(
  stage: Stage,
  note: (text: string) => void,
  arriving: Promise<void>,
): Promise<void> {
  let over = false;
  const ended = arriving.finally(() => (over = true));
  const walk = walkOf(stage);
  await Promise.all(SERVICES.map((service) => walk.first(service, () => over, note)));
  await ended;
}

/** Which points hosts have died at so far, and which not. */
export function faultPointReport(stage: Stage): FaultPointReport {
  const { fired, never } = walkOf(stage);
  return { fired, never };
}
