import { FAULT_POINTS, type FaultPoint, type FaultStep } from '@capstan/domain';
import type { Service } from '../stage/stage.js';

const EXECUTORS = ['pr-watcher', 'ticket-sync'] as const;

/** Whose processes come by. */
const PASSES_BY: Readonly<Record<FaultStep, readonly Service[]>> = {
  create: ['gateway'],
  ask: ['gateway'],
  store: ['webhooks'],
  import: ['ticket-sync'],
  report: ['ticket-sync'],
  place: ['scheduler'],
  advance: ['scheduler'],
  answer: ['scheduler'],
  provision: ['pod-pool'],
  lease: ['agent-runner'],
  start: ['agent-runner'],
  log: ['agent-runner'],
  judge: ['agent-runner'],
  adopt: ['pr-watcher'],
  request: ['pr-watcher'],
  follow: ['pr-watcher'],
  record: EXECUTORS,
  // The webhooks service publishes only what `store` has; the pod pool's few messages are its pods'.
  publish: ['scheduler', 'agent-runner', 'pr-watcher', 'ticket-sync', 'webhooks'],
  ack: ['scheduler', 'agent-runner', 'pr-watcher', 'ticket-sync'],
  claim: EXECUTORS,
  look: EXECUTORS,
  act: EXECUTORS,
  launch: ['agent-runner'],
  attach: ['agent-runner'],
  finish: ['agent-runner'],
  collect: ['pr-watcher'],
};

/** Steps of the first days of a task: their turn comes first, as long as tasks arrive. */
const EARLY: readonly FaultStep[] = ['import', 'place', 'lease', 'launch', 'start'];
/** A repository's pod is made once, and a task is rarely posted: these are waited for from the first moment on. */
const FIRST: readonly FaultStep[] = ['provision', 'create'];

export function stepOf(point: FaultPoint): FaultStep {
  return point.slice(0, point.lastIndexOf('.')) as FaultStep;
}

/** Services at whose processes a point can be armed. */
export function ownersOf(point: FaultPoint): readonly Service[] {
  return PASSES_BY[stepOf(point)];
}

/** The points that are met only while tasks arrive. */
const FIRST_POINTS = FAULT_POINTS.filter((point) => FIRST.includes(stepOf(point)));

/** Those of one service; each has one service that passes it. */
export function firstPointsOf(service: Service): readonly FaultPoint[] {
  return FIRST_POINTS.filter((point) => ownersOf(point).includes(service));
}

/** All the other points, the early ones first; each part shuffled by `shuffle`. */
export function inOrder(shuffle: <T>(of: readonly T[]) => T[]): FaultPoint[] {
  const early = FAULT_POINTS.filter((point) => EARLY.includes(stepOf(point)));
  const others = FAULT_POINTS.filter((point) => ![...EARLY, ...FIRST].includes(stepOf(point)));
  return [...shuffle(early), ...shuffle(others)];
}
