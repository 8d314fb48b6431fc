import { resolve } from 'node:path';
import type { Boundary, CollectRequest, FinishAnswer, FinishRequest, PrepareRequest } from '@capstan/domain';
import { CleanGit } from './clean-git.js';
import { SupervisorFault } from './fault.js';
import type { Tips } from './fetch.js';
import { collect, finish } from './finish.js';
import { InsideCommand } from './inside-command.js';
import type { RunDirectory } from './run-directory.js';
import { boundaryRequired } from './supervisor.config.js';
import { reuse } from './worktree.js';

/** What git has to be done in a worktree that an agent has had: inside the agent's own boundary, where it had one. */
export async function finishRun(run: RunDirectory, request: FinishRequest): Promise<FinishAnswer> {
  const boundary = boundaryOf(run.boundary);
  if (boundary === undefined) return finish(run.root, request);
  const inside = new InsideCommand(boundary, 'finish', run.runId);
  const { head, commitCount, committedLeftovers } = await inside.answer<FinishAnswer>(absolute(run.root, request));
  if (!isCommit(head) || !Number.isSafeInteger(commitCount) || commitCount < 0) throw unreadable('finish');
  return { head, commitCount, committedLeftovers: committedLeftovers === true };
}

export async function collectRun(run: RunDirectory, request: CollectRequest): Promise<void> {
  const boundary = boundaryOf(run.boundary);
  if (boundary === undefined) return collect(run.root, request);
  const inside = new InsideCommand(boundary, 'collect', run.runId, 'inherit');
  const { code, stderr } = await inside.carryOut(absolute(run.root, request));
  process.exitCode = code;
  if (code !== 0) process.stderr.write(`${stderr}\n`);
}

function absolute<T extends { readonly worktree: string; readonly home: string }>(root: string, request: T): T {
  return { ...request, worktree: resolve(root, request.worktree), home: resolve(root, request.home) };
}

/** The part of a preparation that an existing worktree takes; without the forge's token, which stays outside. */
export interface ReuseRequest {
  readonly worktree: string;
  readonly prepare: Pick<PrepareRequest, 'baseBranch' | 'branch' | 'worktree'>;
  readonly tips: Tips;
}

/** A worktree that is to be used again: where it has a boundary, that comes up while the branch is fetched. */
export class Reuse {
  private readonly inside: InsideCommand | undefined;

  constructor(
    private readonly root: string,
    runId: string,
    given: Boundary | undefined,
  ) {
    const boundary = boundaryOf(given);
    this.inside = boundary && new InsideCommand(boundary, 'reuse', runId);
  }

  async with(
    { baseBranch, branch, worktree: path }: PrepareRequest,
    tips: Tips,
  ): Promise<{ base: string; head: string }> {
    const worktree = resolve(this.root, path);
    const request: ReuseRequest = { worktree, prepare: { baseBranch, branch, worktree }, tips };
    if (this.inside === undefined) return reuseHere(this.root, request);
    const { base, head } = await this.inside.answer<{ base: string; head: string }>(request);
    if (!isCommit(base) || !isCommit(head)) throw unreadable('reuse');
    return { base, head };
  }

  /** For when it doesn't come to it. */
  dismiss(): void {
    this.inside?.dismiss();
  }
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
