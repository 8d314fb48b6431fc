/**
 * The best figures of the nearest open-source peer, measured by hand on a machine of this kind (2 cores, 24 GB, its API,
 * Postgres, Redis and a one-node cluster beside the client). Capstan is never to be slower than this.
 */
export const PEER = {
  /** Warm pod, from the POST to the agent's first instruction, n = 25, ms. */
  firstInstructionP50Ms: 208,
  firstInstructionP95Ms: 249,
  /** From the POST to its "running", the nearest thing to a lease that it has, n = 25, ms. */
  runningP50Ms: 47,
  /** 20,000 lines of one agent, persisted and delivered. */
  linesPerSecond: 1_431,
  logLagP50Ms: 7_200,
  /** 20 tasks of two seconds on one repository. */
  drainAt10Seconds: 6.8,
  drainAt2Seconds: 51.7,
  /** Its API, Redis and Postgres, without the cluster. */
  idlePssMb: 501,
  idleCpuPercent: 1.1,
} as const;
