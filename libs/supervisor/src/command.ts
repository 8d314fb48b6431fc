import { join } from 'node:path';
import type { CommandAnswer, CommandRequest } from '@capstan/domain';
import { notFound } from './fault.js';
import { endProcesses } from './processes.js';
import { requireSafeName } from './run-directory.js';
import type { RunDirectory } from './run-directory.js';
import { status } from './status.js';
import { Watch } from './watch.js';

/**
 * Hands a command to the run's keeper and waits for its answer. A repeated id gets the first answer. The stop of a run
 * that was never started is its end: whoever asks for its start later finds it ended.
 */
export async function command(run: RunDirectory, request: CommandRequest): Promise<CommandAnswer> {
  const { id, epoch } = request;
  requireSafeName(id, 'command id');
  if (!run.isThere && request.command !== 'stop') throw notFound(run.runId);
  if (!run.isThere && run.make()) return neverStart(run, request);
  const earlier = answerOf(run, id);
  if (earlier !== undefined) return earlier;
  if (epoch < run.epoch()) return { id, accepted: false, refusal: 'fenced' };
  const watch = new Watch(run.commands);
  try {
    run.create(join('commands', `${id}@${epoch}.request`), request);
    for (;;) {
      const answer = answerOf(run, id, epoch) ?? (await answerWithoutKeeper(run, request));
      if (answer !== undefined) return answer;
      await watch.next();
    }
  } finally {
    watch.close();
  }
}

/** Under the stop's epoch: a start that a former owner of the run asks for is fenced. */
function neverStart(run: RunDirectory, { id, epoch }: CommandRequest): CommandAnswer {
  run.raiseEpoch(epoch);
  run.exit = { code: null, signal: null, ended: 'stopped', message: 'Stopped before it was started' };
  const answer = { id, accepted: true };
  run.create(join('commands', `${id}.answer`), answer);
  return answer;
}

function answerOf(run: RunDirectory, id: string, epoch?: number): CommandAnswer | undefined {
  const final = run.read<CommandAnswer>(join('commands', `${id}.answer`));
  if (final !== undefined || epoch === undefined) return final;
  return run.read<CommandAnswer>(join('commands', `${id}@${epoch}.fenced`));
}

/** A run that is over needs no command; of one whose keeper was killed, a stop ends what is left. */
async function answerWithoutKeeper(run: RunDirectory, request: CommandRequest): Promise<CommandAnswer | undefined> {
  const { state } = await status(run);
  if (state === 'running') return undefined;
  const answer = answerOf(run, request.id, request.epoch);
  if (answer !== undefined) return answer;
  if (state === 'exited' || request.command !== 'stop') return { id: request.id, accepted: false, refusal: 'ended' };
  await endProcesses(run.runId, { graceMs: 0 });
  return { id: request.id, accepted: true };
}
