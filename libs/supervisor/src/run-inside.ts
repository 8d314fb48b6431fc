import { resolve } from 'node:path';
import type { Boundary, CollectRequest, FinishAnswer, FinishRequest, PrepareRequest } from '@capstan/domain';
import { passThroughInside, runInside } from './boundary.js';
import { CleanGit } from './clean-git.js';
import { SupervisorFault } from './fault.js';
import type { Tips } from './fetch.js';
import { collect, finish } from './finish.js';
import type { RunDirectory } from './run-directory.js';
import { boundaryRequired } from './supervisor.config.js';
import { reuse } from './worktree.js';

/** What git has to be done in a worktree that an agent has had: inside the agent's own boundary, where it had one. */
export function finishRun(run: RunDirectory, request: FinishRequest): FinishAnswer {
  const boundary = boundaryOf(run.boundary);
  if (boundary === undefined) return finish(run.root, request);
  const { head, commitCount, committedLeftovers } = runInside<FinishAnswer>(boundary, 'finish', run.runId, {
    ...request,
    worktree: resolve(run.root, request.worktree),
    home: resolve(run.root, request.home),
  });
  if (!isCommit(head) || !Number.isSafeInteger(commitCount) || commitCount < 0) throw unreadable('finish');
  return { head, commitCount, committedLeftovers: committedLeftovers === true };
}

export function collectRun(run: RunDirectory, request: CollectRequest): void {
  const boundary = boundaryOf(run.boundary);
  if (boundary === undefined) return collect(run.root, request);
  process.exitCode = passThroughInside(boundary, 'collect', run.runId, {
    ...request,
    worktree: resolve(run.root, request.worktree),
    home: resolve(run.root, request.home),
  });
}

/** The part of a preparation that an existing worktree takes; without the forge's token, which stays outside. */
export interface ReuseRequest {
  readonly worktree: string;
  readonly prepare: Pick<PrepareRequest, 'baseBranch' | 'branch' | 'worktree'>;
  readonly tips: Tips;
}

export function reuseWorktree(
  { root, runId, boundary: given }: { root: string; runId: string; boundary: Boundary | undefined },
  { baseBranch, branch, worktree: path }: PrepareRequest,
  tips: Tips,
): { base: string; head: string } {
  const worktree = resolve(root, path);
  const request: ReuseRequest = { worktree, prepare: { baseBranch, branch, worktree }, tips };
  const boundary = boundaryOf(given);
  if (boundary === undefined) return reuseHere(root, request);
  const { base, head } = runInside<{ base: string; head: string }>(boundary, 'reuse', runId, request);
  if (!isCommit(base) || !isCommit(head)) throw unreadable('reuse');
  return { base, head };
}

export function reuseHere(root: string, { worktree, prepare, tips }: ReuseRequest): { base: string; head: string } {
  return CleanGit.use(root, worktree, (clean) => reuse(clean, prepare, tips));
}

/** The boundary to work in. Throws where the pod demands one and there is none: then nothing is done outside instead. */
export function boundaryOf(boundary: Boundary | undefined): Boundary | undefined {
  if (boundary !== undefined || !boundaryRequired()) return boundary;
  throw new SupervisorFault('boundary_missing', "this pod's agents live in a boundary, and none is known of this run");
}

/** Answers from inside are the agent's to forge; their form isn't. */
function isCommit(text: unknown): boolean {
  return typeof text === 'string' && /^[0-9a-f]{40,64}$/.test(text);
}

function unreadable(command: string): SupervisorFault {
  return new SupervisorFault('boundary_failed', `${command} inside the boundary gave no answer that makes sense`);
}
