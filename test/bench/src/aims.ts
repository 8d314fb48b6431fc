/** What a figure is held against. */
export interface Aim {
  readonly name: string;
  readonly unit: 'ms' | 's' | 'lines/s' | 'MB' | '% of a core' | '×' | 'calls/h' | 'count';
  readonly better: 'lower' | 'higher';
  /** What Capstan wants of itself, on two cores; null where it only has to beat the peer, or is told for its own sake. */
  readonly aim: number | null;
  /** The aim holds where writing 8 KB durably takes no longer than this (p50), ms. */
  readonly whereFsyncMs?: number;
  /**
   * The best that the nearest open-source peer has done, measured by hand on a machine of this kind (2 cores, 24 GB, its
   * API, Postgres, Redis and a one-node cluster beside the client); null where it has nothing to compare.
   */
  readonly peer: number | null;
}

const lower = (name: string, unit: Aim['unit'], aim: number | null, peer: number | null = null): Aim => ({
  name,
  unit,
  better: 'lower',
  aim,
  peer,
});
const higher = (name: string, unit: Aim['unit'], aim: number | null, peer: number | null = null): Aim => ({
  ...lower(name, unit, aim, peer),
  better: 'higher',
});
const onFastDisk = (aim: Aim): Aim => ({ ...aim, whereFsyncMs: 0.5 });

/** Every figure that a bench may state: what is wanted of it, and the peer's best. */
export const AIMS = {
  'start.small.p50': lower('POST → first instruction, small repository, p50', 'ms', 120, 208),
  'start.small.p95': lower('POST → first instruction, small repository, p95', 'ms', null, 249),
  'start.large.p50': lower('POST → first instruction, 5,000 files, p50', 'ms', 400),
  'boundary.small.p50': lower('the same in bubblewrap, p50', 'ms', null),
  'boundary.small.p95': lower('the same in bubblewrap, p95', 'ms', null),
  'start.shown.p50': lower('POST → its first line at a Socket.IO client, p50', 'ms', null),
  'idle.memory': lower('memory of the whole stack, idle (PSS)', 'MB', 450, 501),
  'idle.processor': lower('processor of the whole stack, idle', '% of a core', 2, 1.1),
  'log.one': higher('lines of one agent into Postgres, slowest round', 'lines/s', 20_000, 1_431),
  'log.many': higher('lines of 20 agents into Postgres, all together', 'lines/s', 20_000),
  'log.flood.p50': lower('lag of 20,000 lines at once to a client, p50', 'ms', null, 7_200),
  'log.live.p95': lower('agent → Socket.IO client, 50 agents with a line every 50 ms, p95', 'ms', 100),
  'burst.10': lower('20 tasks of 2 s, capacity 10, drained', 's', null, 6.8),
  'burst.2': lower('20 tasks of 2 s, capacity 2, drained', 's', null, 51.7),
  'dispatch.slow.p50': onFastDisk(lower('POST → lease at 1/s, p50', 'ms', 10, 47)),
  'dispatch.slow.p99': onFastDisk(lower('POST → lease at 1/s, p99', 'ms', 50)),
  'dispatch.fast.p50': onFastDisk(lower('POST → lease at 100/s, p50', 'ms', 10)),
  'dispatch.fast.p95': lower('POST → lease at 100/s, p95', 'ms', null),
  'dispatch.fast.p99': onFastDisk(lower('POST → lease at 100/s, p99', 'ms', 50)),
  'dispatch.slow.ratio': lower('… at 1/s to graphile-worker, p50', '×', 3),
  'dispatch.fast.ratio': lower('… at 100/s to graphile-worker, p50', '×', 3),
  'reaction.p50': lower('webhook → next step decided, p50', 'ms', null),
  'reaction.p95': lower('webhook → next step decided, p95', 'ms', 500),
  'reaction.calls': lower('API calls per quiet pull request and hour', 'calls/h', 12),
  'egress.call.p50': lower('added to a call of a model by egress, p50', 'ms', null),
  'egress.call.p95': lower('added to a call of a model by egress, p95', 'ms', 5),
  'egress.first.p95': lower('… to the first byte of a stream, p95', 'ms', 5),
  'egress.event.p95': lower('… to an event of a stream, p95', 'ms', 5),
  'takeover.p50': lower('runner killed → its run attached elsewhere, p50', 's', null),
  'takeover.p99': lower('runner killed → its run attached elsewhere, p99', 's', 3),
  'takeover.false': lower('runs taken from a living runner on starved cores', 'count', 0),
  'scale.dispatch': lower('POST → lease with the system full, to empty, p50', '×', 2),
  'scale.board.p95': lower('board of 5,000 tasks over REST, p95', 'ms', 1_000),
  'scale.page': lower('board of 5,000 tasks in a browser, first card, p50', 'ms', 1_000),
  'scale.memory': lower('memory of host, Postgres and NATS when full (PSS)', 'MB', null),
  'scale.processor': lower('processor of host, Postgres and NATS when full', '% of a core', null),
} as const satisfies Record<string, Aim>;

export type FigureKey = keyof typeof AIMS;

/** A figure against a yardstick of the same run and machine, which a faster machine speeds up as well. */
interface Yardstick {
  readonly what: string;
  readonly better: Aim['better'];
}

/** The ratios that the regression file keeps. */
export const YARDSTICKS = {
  'start.small': {
    what: 'POST → first instruction, p50 / `node -e 0`, a shared clone and its checkout by hand',
    better: 'lower',
  },
  'start.large': { what: 'the same with 5,000 files', better: 'lower' },
  'boundary.small': { what: 'the same in bubblewrap, small repository', better: 'lower' },
  'idle.processor': { what: 'processor of a minute of idling / that of one `node -e 0`', better: 'lower' },
  'idle.memory': { what: 'memory of the idle stack / that of a bare node', better: 'lower' },
  'log.one': {
    what: 'lines/s of one agent into Postgres / raw COPY of such lines into the same Postgres',
    better: 'higher',
  },
  'log.many': { what: 'lines/s of 20 agents into Postgres / raw COPY', better: 'higher' },
  'dispatch.slow': { what: 'POST → lease at 1/s, p50 / graphile-worker', better: 'lower' },
  'dispatch.fast': { what: 'POST → lease at 100/s, p50 / graphile-worker', better: 'lower' },
  reaction: {
    what: 'webhook → next step, p50 / the six reads of a pull request by a plain client, one after the other',
    better: 'lower',
  },
  'egress.call': { what: 'a call of a model through egress, p50 / the same made directly', better: 'lower' },
  takeover: { what: 'runner killed → attached elsewhere, p50 / length of a lease', better: 'lower' },
  'scale.dispatch': { what: 'POST → lease, p50, full / empty', better: 'lower' },
  'scale.board': { what: 'board over REST, p50, full / empty', better: 'lower' },
} as const satisfies Record<string, Yardstick>;

export type RatioKey = keyof typeof YARDSTICKS;
