/**
 * The moments of Capstan's work at which losing the process matters: on both sides of every commit that others act on,
 * of every message, of every write to the outside world and of every word to a supervisor. The crash suite ends
 * processes there; in production nobody listens.
 */
export const FAULT_STEPS = [
  // commits
  'create', // gateway: a task
  'ask', // gateway: a request of a task
  'store', // webhooks: a delivery
  'import', // ticket-sync: a ticket with its task
  'report', // ticket-sync: what is to be said on a ticket
  'place', // scheduler
  'advance', // scheduler
  'answer', // scheduler
  'provision', // pod-pool: a pod is ready
  'lease', // agent-runner: placed → leased, or taken over
  'start', // agent-runner: leased → running
  'log', // agent-runner: a batch of lines
  'judge', // agent-runner: running → finished
  'adopt', // pr-watcher: the run's work becomes the task's pull request
  'request', // pr-watcher: a push or a pull request is asked for
  'follow', // pr-watcher: a look at a pull request
  'record', // executors: what an effect did
  // messages
  'publish', // every service: the broker's acknowledgement of an event
  'ack', // every consumer: its own acknowledgement
  // effects
  'claim',
  'look',
  'act',
  // the supervisor
  'launch',
  'attach',
  'finish',
  'collect',
] as const;
export type FaultStep = (typeof FAULT_STEPS)[number];

/** `before` a commit nothing of it is there; `after` it all is, and nobody has been told. */
export type FaultPoint = `${FaultStep}.${'before' | 'after'}`;

/** Every point, in the order of the steps. */
export const FAULT_POINTS: readonly FaultPoint[] = FAULT_STEPS.flatMap((step): FaultPoint[] => [
  `${step}.before`,
  `${step}.after`,
]);

/**
 * Told of each passage. It may end the process, wait, or throw as whatever stands there could. Not from the
 * environment: only a program that opens a host can give one.
 */
export type FaultPort = (point: FaultPoint) => void | Promise<void>;

/** The form of production. */
export const noFaults: FaultPort = () => undefined;
