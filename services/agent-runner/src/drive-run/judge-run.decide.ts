import type { FinishAnswer, RunExit, RunOutcome } from '@capstan/domain';
import type { Judgement } from '@capstan/agents';

export interface JudgeSnapshot {
  readonly exit: RunExit;
  /** The agent adapter's word, from structured facts only. */
  readonly judgement: Judgement;
  /** What is in the worktree; null when it was not looked at. */
  readonly finish: FinishAnswer | null;
  /** The commit that the branch started from. */
  readonly base: string;
  /** The head that is published already, if any. */
  readonly publishedSha: string | null;
}

/** What a run that exited left behind. Outcomes rest on commits and exit, never on what the agent says of itself. */
export function judgeRun({ exit, judgement, finish, base, publishedSha }: JudgeSnapshot): RunOutcome {
  if (exit.ended === 'stopped') return { kind: 'stopped', detail: 'The agent was stopped' };
  const work = finish === null ? {} : { head: finish.head, base, commitCount: finish.commitCount };
  if (judgement.verdict === 'outcome' && judgement.outcome !== undefined) return { ...judgement.outcome, ...work };
  if (finish === null || finish.commitCount === 0)
    return { kind: 'no_changes', detail: 'The agent ended well and changed nothing', symptom: 'no_changes', ...work };
  if (finish.head === publishedSha)
    return {
      kind: 'no_changes',
      detail: 'The agent added nothing to what is published already',
      symptom: 'no_changes',
      ...work,
    };
  const leftovers = finish.committedLeftovers ? '; Capstan committed what was left uncommitted' : '';
  return {
    kind: 'commits',
    detail: `${finish.commitCount} commit${finish.commitCount === 1 ? '' : 's'}${leftovers}`,
    ...work,
  };
}
