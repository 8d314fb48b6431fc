import { setTimeout as pause } from 'node:timers/promises';
import { join } from 'node:path';
import { ACTIONS } from './adversary/actions/index.js';
import { Adversary, planSchedule, type Deed, type Scheduled } from './adversary/adversary.js';
import { Random } from './adversary/random.js';
import { audit } from './auditor/audit.js';
import { fences } from './auditor/laws/fences.js';
import { readRunChanges } from './auditor/read/run-changes.js';
import { readWorld } from './auditor/read/read-world.js';
import type { Violation } from './auditor/violation.js';
import type { CrashConfig } from './crash.config.js';
import { BROKEN_BUILD } from './faults/host/program.config.js';
import {
  faultEnvironment,
  faultPointReport,
  HOST_PROGRAM,
  walkFaultPoints,
  walkFirstPoints,
  type FaultPointReport,
} from './faults/walk.js';
import { replayed } from './replay.js';
import { untilQuiet, untilSettled } from './settle.js';
import { Stage } from './stage/stage.js';
import { installTrace, writeTrace } from './stage/trace.js';
import { planTasks } from './workload/plan.js';
import { REPOSITORIES, Workload } from './workload/workload.js';

/** What a run came to; the JSON report. */
export interface CrashReport {
  readonly ok: boolean;
  readonly seed: number;
  readonly tasks: number;
  readonly replicas: number;
  readonly seconds: number;
  /** How many tasks ended in each state. */
  readonly endStates: Readonly<Record<string, number>>;
  /** How often each action was begun. */
  readonly actions: Readonly<Record<string, number>>;
  /** Processes of hosts that were started, the first of each left out. */
  readonly restarts: number;
  readonly schedule: readonly Scheduled[];
  readonly deeds: readonly Deed[];
  readonly faultPoints: FaultPointReport;
  readonly traceLines: number;
  readonly violations: readonly Violation[];
}

const SPREAD_PER_TASK_MS = 2_000;
const AFTERMATH_MS = 15_000;
const GAP_MS = [2_000, 5_000] as const;
/**
 * Half as dense, tasks and actions, where it goes on for long: hosts that start all the time leave two cores room for
 * about twenty tasks a minute, and what piles up is judged by its waiting and no longer by the laws.
 */
const LONG_FROM_TASKS = 100;
const LONG_SPREAD_PER_TASK_MS = 4_000;
const LONG_GAP_MS = [4_000, 10_000] as const;
/** A violation has to be seen twice, this far apart: what is on its way is none. */
const SECOND_LOOK_MS = 6_000;
const MAX_CONCURRENT = 12;
/** From this size on, every fault point has to be met. */
const ALL_POINTS_FROM_TASKS = 200;

function paceOf(tasks: number): { readonly spreadMs: number; readonly gapMs: readonly [number, number] } {
  const long = tasks >= LONG_FROM_TASKS;
  const spreadMs = Math.max(20_000, tasks * (long ? LONG_SPREAD_PER_TASK_MS : SPREAD_PER_TASK_MS));
  return { spreadMs, gapMs: long ? LONG_GAP_MS : GAP_MS };
}

export async function runCrash(config: CrashConfig, print: (line: string) => void): Promise<CrashReport> {
  const began = performance.now();
  const say = (text: string): void =>
    print(`${((performance.now() - began) / 1_000).toFixed(1).padStart(7)} s  ${text}`);
  const random = new Random(config.seed);
  const { spreadMs, gapMs } = paceOf(config.tasks);
  const planned = planTasks(config.tasks, spreadMs, REPOSITORIES, random.fork(), config.lineEveryMs);
  const actions = ACTIONS.filter(({ name }) => config.actions === null || config.actions.includes(name));
  const schedule = planSchedule(actions, spreadMs + AFTERMATH_MS, gapMs, random.fork());
  print(`CAPSTAN_CRASH_SEED=${config.seed}: ${config.tasks} tasks, ${schedule.length} actions`);
  for (const { atMs, action, seed } of schedule) print(`  planned ${(atMs / 1_000).toFixed(1)} s ${action} (${seed})`);

  const stage = await Stage.open({
    ...{ dataDir: config.dataDir, replicas: config.replicas, maxConcurrent: MAX_CONCURRENT },
    hostEntry: config.hostEntry ?? HOST_PROGRAM,
    env: environmentOf(config),
  });
  say(`${stage.hosts.all.length} hosts are ready: ${stage.url}`);
  const workload = new Workload(stage, planned);
  const adversary = new Adversary(stage, actions, schedule, ({ action, text }) => say(`${action}: ${text}`));
  try {
    await installTrace(stage.database);
    await stage.setUp();
    await workload.setUp();
    const meddling = new AbortController();
    const looking = watch(stage, workload, say, meddling.signal);
    const walking = actions.some(({ name }) => name === walkFaultPoints.name);
    const arriving = workload.arrive();
    await Promise.all([arriving, adversary.act(), ...(walking ? [walkFirstPoints(stage, say, arriving)] : [])]);
    await stage.mend();
    say('every task has arrived, and the adversary rests');
    await untilSettled(stage, workload);
    await untilQuiet(stage);
    meddling.abort();
    await looking;
    say('auditing');
    const violations = await judged(stage, workload);
    violations.push(...fences(await readRunChanges(stage.database)));
    if (walking && config.tasks >= ALL_POINTS_FROM_TASKS) violations.push(...neverPassed(stage));
    const trace = join(config.dataDir, 'trace.ndjson');
    const traceLines = await writeTrace(stage.database, trace);
    violations.push(...(await replayed(trace, { maxConcurrent: MAX_CONCURRENT })));
    const endStates = await countStates(stage);
    await workload.close();
    const stubborn = await stage.close();
    violations.push(...stubborn.map(neverStopped));
    return {
      ...{ ok: violations.length === 0, seed: config.seed, tasks: config.tasks, replicas: config.replicas },
      ...{ seconds: Math.round((performance.now() - began) / 1_000), endStates },
      actions: countOf(schedule.map(({ action }) => action)),
      restarts: stage.hosts.all.flatMap(({ events }) => events.filter(({ what }) => what === 'started').slice(1))
        .length,
      ...{ schedule, deeds: adversary.deeds, faultPoints: faultPointReport(stage), traceLines, violations },
    };
  } catch (error) {
    adversary.stop();
    await workload.close();
    await stage.close();
    throw error;
  }
}

function environmentOf({ dataDir, brokenBuild }: CrashConfig): Record<string, string> {
  return { ...faultEnvironment(dataDir), ...(brokenBuild === null ? {} : { [BROKEN_BUILD]: brokenBuild }) };
}

/** Those that are still there at a second look. */
async function judged(stage: Stage, workload: Workload): Promise<Violation[]> {
  const first = audit(await readWorld(stage, workload));
  if (first.length === 0) return [];
  await pause(SECOND_LOOK_MS);
  const seen = new Set(first.map(({ what }) => what));
  return audit(await readWorld(stage, workload)).filter(({ what }) => seen.has(what));
}

function neverStopped(name: string): Violation {
  return { law: 'a service stops in order', what: `${name} had to be killed`, evidence: null };
}

function neverPassed(stage: Stage): Violation[] {
  const law = 'a host dies at every fault point';
  return faultPointReport(stage).never.map((point) => ({ law, what: `no host died at ${point}`, evidence: null }));
}

/** Says each ten seconds how far it is, and lets people meddle. */
async function watch(
  stage: Stage,
  workload: Workload,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let told = -Infinity;
  while (!signal.aborted) {
    await workload.meddle();
    if (performance.now() - told > 10_000) {
      told = performance.now();
      const states = await countStates(stage).catch(() => null); // Postgres is away on purpose
      const text =
        states === null ? 'Postgres is away' : Object.entries(states).map(([state, count]) => `${count} ${state}`);
      say(`tasks: ${typeof text === 'string' ? text : text.join(', ') || 'none yet'}`);
    }
    await pause(250);
  }
}

async function countStates(stage: Stage): Promise<Record<string, number>> {
  const { rows } = await stage.database.query<{ state: string; count: number }>(
    'select state, count(*)::int as count from task group by state order by state',
  );
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}

function countOf(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
