import { existsSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { StatusAnswer } from '@capstan/domain';
import { ifThere } from './fault.js';
import { JournalReader } from './journal.js';
import { endProcesses, isAlive, signalTo } from './processes.js';
import type { ProcessRecord, RunDirectory } from './run-directory.js';

/** A run whose start has left no process record after this was never started, ms. */
const START_MS = 10_000;
/** Longest time that a keeper takes to end a run beyond its graces, ms; one that takes longer hangs. */
const ENDING_MS = 120_000;
/** Longest time between the exit's line and its record, ms. */
const RECORD_MS = 500;

/**
 * What became of the run. One whose keeper was killed is over, because nobody keeps its journal or its deadline:
 * whatever of it is still alive is ended here, and the run is `lost`. A keeper that hangs is killed when the run's
 * deadline is long past, and the run ends as at its deadline.
 */
export async function status(run: RunDirectory): Promise<StatusAnswer> {
  if (!existsSync(run.path)) return { state: 'unknown', lastLine: 0, epoch: 0 };
  await endOverdue(run);
  const state = stateOf(run);
  if (state === 'lost') await endProcesses(run.runId, { graceMs: 0, patienceMs: 5_000 });
  const journal = journalEnd(run);
  if (journal.exit !== undefined && state === 'running') await recorded(run);
  // Of a keeper that was killed between the two, the journal's exit line is the only record.
  const exit = run.exit ?? (state === 'lost' ? journal.exit : undefined);
  const process = run.process?.process;
  const { prepared } = run;
  return {
    state: exit === undefined ? state : 'exited',
    ...(process && { process }),
    ...(prepared && { prepared }),
    ...(exit && { exit }),
    lastLine: journal.lastLine,
    epoch: run.epoch(),
  };
}

async function endOverdue(run: RunDirectory): Promise<void> {
  const record = run.process;
  if (run.exit !== undefined || record === undefined || !isOverdue(record) || !isAlive(record.keeper)) return;
  signalTo(record.keeper.pid, 'SIGKILL');
  await endProcesses(run.runId, { graceMs: 0, patienceMs: 5_000 });
  const message = 'the run passed its deadline, and its keeper did nothing';
  run.exit = { code: null, signal: 'SIGKILL', ended: 'deadline', message };
}

function isOverdue({ deadlineAt, graceMs }: ProcessRecord): boolean {
  return Date.now() > deadlineAt + 2 * graceMs + ENDING_MS;
}

/** The keeper journals the exit, then records it: waits for that a moment, and answers whether it is there. */
export async function recorded(run: RunDirectory): Promise<boolean> {
  for (const end = performance.now() + RECORD_MS; ; await pause(5)) {
    if (run.exit !== undefined) return true;
    const keeper = run.process?.keeper;
    if (keeper !== undefined && !isAlive(keeper)) return true;
    if (performance.now() > end) return false;
  }
}

function stateOf(run: RunDirectory): 'running' | 'exited' | 'lost' {
  if (run.exit !== undefined) return 'exited';
  const record = run.process;
  if (record === undefined) return Date.now() - statSync(run.path).ctimeMs < START_MS ? 'running' : 'lost';
  if (isAlive(record.keeper)) return 'running';
  return run.exit === undefined ? 'lost' : 'exited';
}

function journalEnd(run: RunDirectory): ReturnType<JournalReader['end']> {
  const reader = ifThere(() => JournalReader.open(run.journal));
  if (reader === undefined) return { lastLine: 0, exit: undefined };
  try {
    return reader.end();
  } finally {
    reader.close();
  }
}
