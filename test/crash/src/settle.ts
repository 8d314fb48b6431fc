import { setTimeout as pause } from 'node:timers/promises';
import { EFFECT_DEADLINE_MS } from '@capstan/domain';
import type { Stage } from './stage/stage.js';
import { KINDS } from './workload/kinds.js';
import type { Workload } from './workload/workload.js';

/** Nothing at all changed for this long: it won't any more. Longer than most back-offs. */
const STANDSTILL_MS = 150_000;
const LOOK_MS = 500;
/** Reports on tickets are decided each 5 s, a pull request is looked at each 3 s. */
const MARGIN_MS = 3_000;

interface Progress {
  readonly seq: string | null;
  readonly openEffects: number;
  readonly openRuns: number;
  readonly unclosed: number;
}

/**
 * Waits until every task is in its right end state with nothing under way for it, or until nothing changes any more:
 * what is wrong then is for the auditor to say.
 */
export async function untilSettled(stage: Stage, workload: Workload): Promise<void> {
  const right = new Map<string, string>(workload.tasks.map(({ name, kind }) => [name, KINDS[kind].state]));
  let seen: string | null = null;
  let changedAt = performance.now();
  while (performance.now() - changedAt < STANDSTILL_MS) {
    const progress = await look(stage);
    if (progress.seq !== seen) [seen, changedAt] = [progress.seq, performance.now()];
    const { rows } = await stage.database.query<{ title: string; state: string }>('select title, state from task');
    const states = new Map(rows.map(({ title, state }) => [title, state]));
    const ended = [...right].every(([name, state]) => states.get(name) === state);
    if (ended && progress.openEffects === 0 && progress.openRuns === 0 && progress.unclosed === 0) return;
    await pause(LOOK_MS);
  }
}

/** One effect's deadline after the last effect: a request that was lost on its way has come by then. */
export async function untilQuiet(stage: Stage): Promise<void> {
  const end = performance.now() + STANDSTILL_MS;
  while (performance.now() < end) {
    const { rows } = await stage.database.query<{ ageMs: number | null }>(
      `select (extract(epoch from clock_timestamp() - max(settled_at)) * 1000)::float8 as "ageMs" from effect`,
    );
    const age = rows[0]?.ageMs ?? Infinity;
    if (age > EFFECT_DEADLINE_MS + MARGIN_MS) return;
    await pause(Math.min(2_000, EFFECT_DEADLINE_MS + MARGIN_MS - age + 50));
  }
}

async function look(stage: Stage): Promise<Progress> {
  const { rows } = await stage.database.query<Progress>(
    `select (select max(seq) from crash_trace) as seq,
            (select count(*)::int from effect where state in ('requested','claimed') and parked_at is null) as "openEffects",
            (select count(*)::int from run where state <> 'finished') as "openRuns",
            (select count(*)::int from ticket k join task t on t.ticket_id = k.id
              where (t.state = 'completed') <> (k.state = 'closed')
                 or not (k.reported && array['done','failed'])) as unclosed`,
  );
  return rows[0]!;
}
