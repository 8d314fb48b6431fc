import type { OutcomeKind } from '@capstan/domain';
import { judgeRun } from '@capstan/agent-runner/drive-run/judge-run.decide';
import type { Laws } from './laws.js';
import type { Driver, RunRow, Step, World } from './world.js';

/** What runners do with one task's run, what its agent does, and how its lease runs out. */
export function runnerSteps(world: World, runners: number, laws: Laws): Step[] {
  const steps = world.drivers.flatMap((driver) => driverSteps(world, driver, laws));
  const { run } = world;
  if (run === null) return steps;
  return [...steps, ...leases(world, run, runners, laws), ...expiry(world, run), ...agentSteps(world, run)];
}

/** The task doesn't want the run any more: its driver is to end it. */
function unwanted({ intent, state }: World): boolean {
  return intent !== null || (state !== 'provisioning' && state !== 'running');
}

function leases(world: World, run: RunRow, runners: number, laws: Laws): Step[] {
  const sight = {
    state: run.state,
    parked: false,
    resting: false,
    ranOut: run.ranOut,
    unowned: false,
    podComing: false,
    paused: false,
  };
  if (!laws.mayLease({ ...sight, unwanted: unwanted(world) }, { takeOver: true })) return [];
  const row = laws.leased(run);
  const turn = run.turn + 1;
  const at: Driver['at'] = row.state === 'running' ? 'started' : 'leased';
  return Array.from({ length: runners }, (_, runner) => ({
    name: `runner ${runner + 1}: ${run.state === 'placed' ? 'leases' : 'takes over'}`,
    runner,
    to: {
      ...world,
      run: { ...run, ...row, turn, ranOut: false },
      // A runner's own earlier driver of the run is let go of before the new one begins.
      drivers: [
        ...world.drivers.filter((each) => each.runner !== runner || each.at === 'stray'),
        { runner, epoch: row.epoch, turn, at },
      ],
    },
  }));
}

/** A lease runs out when nobody renews it: its holder is paused, or its memory is gone. */
function expiry(world: World, run: RunRow): Step[] {
  if (run.ranOut || (run.state !== 'leased' && run.state !== 'running')) return [];
  const name = 'the lease runs out';
  const to = { ...world, run: { ...run, ranOut: true } };
  const holders = world.drivers.filter(({ at, epoch }) => at !== 'stray' && epoch === run.epoch);
  if (holders.length === 0) return [{ name, to }];
  const [holder, second] = holders;
  return second === undefined ? [{ name, whilePaused: holder!.runner, to }] : [];
}

/** An agent's end matters when somebody reads of it: till then it counts as alive, which forbids more. */
function agentSteps(world: World, run: RunRow): Step[] {
  if (!run.agent.alive || !world.drivers.some(({ at }) => at === 'attached')) return [];
  return (['commits', 'no_changes', 'lost'] as const).map((exit) => ({
    name: `the agent exits: ${exit}`,
    ...(exit === 'commits' ? {} : { turn: true as const }),
    to: { ...world, run: { ...run, agent: { ...run.agent, alive: false, exit } } },
  }));
}

function driverSteps(world: World, driver: Driver, laws: Laws): Step[] {
  const { run } = world;
  const { runner, at } = driver;
  const step = (does: string, to: World | string): Step => ({ name: `runner ${runner + 1}: ${does}`, runner, to });
  if (at === 'stray') return [step('starts an earlier run', { ...without(world, driver), strays: world.strays + 1 })];
  if (run === null) return [];
  const steps = renewal(world, run, driver, laws).map(({ does, to }) => step(does, to));
  switch (at) {
    case 'leased':
      steps.push(step('starts the agent', launch(world, run, driver, laws)));
      if (unwanted(world) && run.agent.launches === 0)
        steps.push(step('hears that it is not wanted', refuseStart(world, run, driver, laws)));
      return steps;
    case 'launched':
      return [...steps, step('writes that the agent runs', recordStarted(world, run, driver, laws))];
    case 'started':
      return [...steps, step('attaches', attach(world, run, driver, laws))];
    case 'attached':
      if (run.agent.exit !== null) {
        const outcome = judge(run.agent.exit);
        return [...steps, step(`judges: ${outcome}`, finish(world, run, driver, outcome, laws))];
      }
      if (unwanted(world)) steps.push(step('stops the agent', stop(world, run, driver, laws)));
      return steps;
    case 'ending':
      return [...steps, step('writes that it never started', finish(world, run, driver, 'stopped', laws))];
  }
}

/** What a driver hears from the renewal of its lease. A lease that ran out and that nobody took is its own again. */
function renewal(world: World, run: RunRow, driver: Driver, laws: Laws): { does: string; to: World }[] {
  if (!laws.mayWriteRun(run, driver)) return [{ does: 'sees that it was taken over', to: without(world, driver) }];
  return run.ranOut ? [{ does: 'renews', to: { ...world, run: { ...run, ranOut: false } } }] : [];
}

function fencedBySupervisor(run: RunRow, { epoch }: Driver, laws: Laws): boolean {
  return laws.supervisorFences && epoch < run.agent.epoch;
}

function launch(world: World, run: RunRow, driver: Driver, laws: Laws): World {
  if (fencedBySupervisor(run, driver, laws)) return without(world, driver);
  const { agent } = run;
  const starts = agent.launches === 0 || !laws.launchesOnce;
  const seen = Math.max(agent.epoch, driver.epoch);
  return {
    ...moved(world, driver, 'launched'),
    run: {
      ...run,
      agent: starts ? { ...agent, epoch: seen, launches: agent.launches + 1, alive: true } : { ...agent, epoch: seen },
    },
  };
}

/** The run ends before its agent was started. Where the supervisor is told so, a start that comes later is refused. */
function refuseStart(world: World, run: RunRow, driver: Driver, laws: Laws): World {
  if (!laws.stopForbidsStart) return moved(world, driver, 'ending');
  if (fencedBySupervisor(run, driver, laws)) return without(world, driver);
  return { ...moved(world, driver, 'ending'), run: { ...run, agent: { ...run.agent, epoch: driver.epoch } } };
}

function recordStarted(world: World, run: RunRow, driver: Driver, laws: Laws): World | string {
  if (!laws.mayWriteRun(run, driver)) return without(world, driver);
  if (driver.turn !== run.turn) return 'a runner whose lease was taken over wrote that the agent runs';
  return attach({ ...world, run: { ...run, state: 'running' } }, { ...run, state: 'running' }, driver, laws);
}

function attach(world: World, run: RunRow, driver: Driver, laws: Laws): World {
  if (fencedBySupervisor(run, driver, laws)) return without(world, driver);
  const agent = { ...run.agent, epoch: Math.max(run.agent.epoch, driver.epoch) };
  return { ...moved(world, driver, 'attached'), run: { ...run, agent } };
}

function stop(world: World, run: RunRow, driver: Driver, laws: Laws): World {
  if (fencedBySupervisor(run, driver, laws)) return without(world, driver);
  return { ...world, run: { ...run, agent: { ...run.agent, alive: false, exit: 'stopped' } } };
}

function finish(world: World, run: RunRow, driver: Driver, outcome: OutcomeKind, laws: Laws): World | string {
  if (!laws.mayWriteRun(run, driver)) return without(world, driver);
  if (driver.turn !== run.turn) return 'a runner whose lease was taken over judged the run';
  return { ...without(world, driver), run: { ...run, state: 'finished', outcome, ranOut: true } };
}

/** An agent that left no record of its end is lost; anything else is judged by its exit and its commits. */
function judge(exit: NonNullable<RunRow['agent']['exit']>): OutcomeKind {
  if (exit === 'lost') return 'lost';
  const commitCount = exit === 'commits' ? 1 : 0;
  return judgeRun({
    exit: { code: 0, signal: null, ...(exit === 'stopped' ? { ended: 'stopped' as const } : {}) },
    judgement: { verdict: 'ok' },
    finish: { head: commitCount === 0 ? 'base' : 'mine', commitCount, committedLeftovers: false },
    base: 'base',
    publishedSha: null,
  }).kind;
}

function without(world: World, driver: Driver): World {
  return { ...world, drivers: world.drivers.filter((each) => each !== driver) };
}

function moved(world: World, driver: Driver, at: Driver['at']): World {
  return { ...world, drivers: world.drivers.map((each) => (each === driver ? { ...each, at } : each)) };
}
