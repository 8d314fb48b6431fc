import type { FinishAnswer, RunExit } from '@capstan/domain';
import { judgeRun, type JudgeSnapshot } from './judge-run.decide.js';

const EXIT: RunExit = { code: 0, signal: null };
const WORK: FinishAnswer = { head: 'head', commitCount: 2, committedLeftovers: false };
const judge = (over: Partial<JudgeSnapshot> = {}) =>
  judgeRun({ exit: EXIT, judgement: { verdict: 'ok' }, finish: WORK, base: 'base', publishedSha: null, ...over });

describe('judgeRun', () => {
  it('takes commits for what they are', () => {
    expect(judge()).toEqual({ kind: 'commits', detail: '2 commits', head: 'head', base: 'base', commitCount: 2 });
  });
  it('says when Capstan committed leftovers', () => {
    expect(judge({ finish: { ...WORK, commitCount: 1, committedLeftovers: true } }).detail).toBe(
      '1 commit; Capstan committed what was left uncommitted',
    );
  });
  it('finds nothing where nothing was committed, and where nothing is new', () => {
    expect(judge({ finish: { ...WORK, commitCount: 0 } })).toMatchObject({ kind: 'no_changes', symptom: 'no_changes' });
    expect(judge({ publishedSha: 'head' })).toMatchObject({ kind: 'no_changes' });
  });
  it('keeps the work of a run that ended at a limit', () => {
    const outcome = { kind: 'limit_reached', detail: '60 minutes', symptom: 'run_time_limit' } as const;
    expect(judge({ judgement: { verdict: 'outcome', outcome } })).toMatchObject({
      ...outcome,
      head: 'head',
      commitCount: 2,
    });
  });
  it('calls a stopped run stopped, whatever it says of itself', () => {
    expect(judge({ exit: { code: 0, signal: null, ended: 'stopped' } })).toMatchObject({ kind: 'stopped' });
  });
});
