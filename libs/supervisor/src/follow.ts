import type { FinishedItem, StartAnswer, StartRequest } from '@capstan/domain';
import { attach } from './attach.js';
import { SupervisorFault } from './fault.js';
import type { RunDirectory } from './run-directory.js';
import { finishRun } from './run-inside.js';

/**
 * What a started run's owner wants to know next, in the process that started it: a process that comes up costs more than
 * the answer. Prints the journal to its exit, then what the agent has left.
 */
export async function follow(
  run: RunDirectory,
  { launch, follow: wanted }: Required<StartRequest>,
  { prepared }: StartAnswer,
): Promise<FinishedItem | undefined> {
  await attach(run, wanted.from, launch.epoch);
  if (prepared === undefined || run.exit === undefined || run.exit.ended === 'stopped') return undefined;
  if (run.epoch() > launch.epoch) return undefined;
  try {
    return { finished: await finishRun(run, { ...wanted.finish, base: prepared.base }) };
  } catch (error) {
    // The owner, who has heard nothing of it, asks for `finish` and is told.
    if (error instanceof SupervisorFault) return undefined;
    throw error;
  }
}
