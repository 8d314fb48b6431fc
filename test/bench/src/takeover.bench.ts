import { LEASE_MS, LEASE_RENEW_MS } from '@capstan/domain';
import type { BenchOptions } from './bench-options.js';
import { sleep, wallMs } from './clock.js';
import { Gate } from './gate.js';
import { SPREAD_COLUMNS, round, spreadRow, type BenchReport } from './report.js';
import { RunnerHosts, type RunnerHost } from './runner-hosts.js';
import type { Stage } from './stage.js';
import { starve, type Starved } from './starvation.js';
import { spread } from './statistics.js';

const SIZES = {
  full: { kills: 30, agents: 4 },
  quick: { kills: 3, agents: 3 },
} as const;
const TICK_SECONDS = 0.02;
/** How often a run is looked at: figures are late by as much at most. */
const LOOK_MS = 10;

interface Taken {
  /** From the kill to the successor's lease, ms. */
  readonly leasedMs: number;
  /** … to its first line of the agent's, ms. */
  readonly attachedMs: number;
}

/**
 * A runner is killed while its agents work → another one has attached to them. Afterwards, with both alive and the
 * processor starved, nobody may take anything over.
 */
export async function benchTakeover(
  stage: Stage,
  { form, directory, starveMinutes }: BenchOptions,
): Promise<BenchReport> {
  const { kills, agents } = SIZES[form];
  const gate = new Gate(directory, 'takeover');
  const hosts = new RunnerHosts(stage);
  try {
    await hosts.start();
    await hosts.start();
    const repository = await stage.repository('takeover', {
      script: 'ticker.sh',
      arguments: [String(TICK_SECONDS), gate.path],
      maxConcurrentTasks: agents,
      maxAgentsPerPod: agents,
      limits: { maxRunMinutes: 1_000 },
    });
    const taskIds = await Promise.all(
      Array.from({ length: agents }, (_, index) => stage.post(repository, `Takeover ${index}`)),
    );
    await stage.untilRuns(taskIds, 'running');
    const taken: Taken[] = [];
    for (let index = 0; index < kills; index += 1) taken.push(...(await killOne(stage, hosts, taskIds, index / kills)));
    const starved = starveMinutes > 0 ? await starve(stage, hosts, taskIds, starveMinutes) : null;
    gate.open();
    await stage.untilFinished(taskIds);
    return report({ kills, agents, taken, starved, faults: await tornLogs(stage, taskIds) });
  } finally {
    gate.open();
    await hosts.close();
  }
}

interface Measured {
  readonly kills: number;
  readonly agents: number;
  readonly taken: readonly Taken[];
  readonly starved: Starved | null;
  readonly faults: readonly string[];
}

function report({ kills, agents, taken, starved, faults }: Measured): BenchReport {
  const attached = spread(taken.map(({ attachedMs }) => attachedMs));
  const made = `${kills} kills, n = ${taken.length} runs`;
  return {
    bench: 'takeover: a runner is killed (SIGKILL) → another one is attached to its run',
    how: [
      `two hosts with agent-runner alone beside one with all else; ${agents} agents with a line every ${TICK_SECONDS * 1_000} ms; ${kills} kills, spread over a renewal`,
      `the host with the most runs is killed, and one is started in its place; attached: the successor's first line is in Postgres, seen within ${LOOK_MS} ms`,
      starved === null
        ? 'the processor was not starved this time'
        : `then ${starved.minutes} minutes with ${starved.hogs} busy loops of normal priority on ${starved.cores} cores, both hosts alive: an epoch that rises is a false takeover`,
      `beside it: the length of a lease, ${LEASE_MS} ms`,
    ],
    tables: [
      {
        title: 'ms from the kill',
        columns: SPREAD_COLUMNS,
        rows: [
          spreadRow('leased by the other', spread(taken.map(({ leasedMs }) => leasedMs))),
          spreadRow('attached', attached),
        ],
      },
      ...(starved === null
        ? []
        : [
            {
              title: 'starved',
              columns: ['minutes', 'busy loops', 'load at the end', 'false takeovers'],
              rows: [['both alive', starved.minutes, starved.hogs, round(starved.load1), starved.falseTakeovers]],
            },
          ]),
    ],
    figures: [
      { key: 'takeover.p50', value: attached.p50 / 1_000, made },
      { key: 'takeover.p99', value: attached.p99 / 1_000, made },
      ...(starved === null
        ? []
        : [
            {
              key: 'takeover.false' as const,
              value: starved.falseTakeovers,
              made: `${starved.minutes} minutes, ${starved.hogs} busy loops on ${starved.cores} cores`,
            },
          ]),
    ],
    ratios: [{ key: 'takeover', ours: attached.p50, yardstick: LEASE_MS }],
    faults: [...faults, ...(starved?.faults ?? [])],
  };
}

interface Seen {
  readonly id: string;
  readonly owner: string | null;
  readonly epoch: number;
  readonly sequence: number;
}

async function look(stage: Stage, taskIds: readonly string[]): Promise<readonly Seen[]> {
  return stage.query<Seen & Record<string, unknown>>(
    `select id, owner, epoch, log_sequence as sequence from run where task_id = any($1) and state <> 'finished'`,
    [taskIds],
  );
}

/** Kills the host that drives the most runs, at this share of a renewal, and waits until another has attached to each. */
async function killOne(
  stage: Stage,
  hosts: RunnerHosts,
  taskIds: readonly string[],
  phase: number,
): Promise<readonly Taken[]> {
  await hosts.untilSettled();
  // A kill must not always meet the same moment of a lease: they are spread over one renewal, evenly.
  await sleep(phase * LEASE_RENEW_MS);
  const before = await look(stage, taskIds);
  const victim = busiest(hosts.all, before);
  const killed = wallMs();
  await hosts.kill(victim);
  const theirs = before.filter(({ owner }) => owner === victim.worker);
  const open = new Map(theirs.map((run) => [run.id, { before: run, leased: 0, sequence: 0 }]));
  const taken: Taken[] = [];
  const attachedTo = async (): Promise<boolean> => {
    for (const run of await look(stage, taskIds)) {
      const waiting = open.get(run.id);
      if (waiting === undefined || run.epoch === waiting.before.epoch) continue;
      const now = wallMs();
      if (waiting.leased === 0) Object.assign(waiting, { leased: now, sequence: run.sequence });
      if (run.sequence === waiting.sequence) continue;
      taken.push({ leasedMs: waiting.leased - killed, attachedMs: now - killed });
      open.delete(run.id);
    }
    return open.size === 0;
  };
  await stage.until(`${theirs.length} runs to be taken over`, attachedTo, { lookMs: LOOK_MS });
  await hosts.start();
  return taken;
}

function busiest(hosts: readonly RunnerHost[], runs: readonly Seen[]): RunnerHost {
  const load = (host: RunnerHost): number => runs.filter(({ owner }) => owner === host.worker).length;
  return [...hosts].sort((a, b) => load(b) - load(a))[0]!;
}

/** After all those deaths every line has to be there, once and in order. */
async function tornLogs(stage: Stage, taskIds: readonly string[]): Promise<string[]> {
  const torn = await stage.query<{ id: string; lines: number; misplaced: number }>(
    `select id, count(*)::int as lines, count(*) filter (where number <> place)::int as misplaced from (
       select r.id, split_part(l.text, ' ', 2)::int as number, row_number() over (partition by r.id order by l.sequence) as place
         from run r join run_log l on l.run_id = r.id and l.text like 'tick %' where r.task_id = any($1)) ticks
      group by id having count(*) filter (where number <> place) > 0`,
    [taskIds],
  );
  return torn.map(({ id, lines, misplaced }) => `run ${id}: ${misplaced} of ${lines} lines are not in their place`);
}
