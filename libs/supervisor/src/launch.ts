import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Boundary, LaunchAnswer, LaunchRequest, RunProcess, StartAnswer, StartRequest } from '@capstan/domain';
import { OpenBoundary } from './boundary.js';
import { draftName } from './draft-name.js';
import { ifThere, SupervisorFault } from './fault.js';
import { Keeper } from './keeper.js';
import { locked } from './lock.js';
import { placeFiles } from './place-files.js';
import { prepare } from './prepare.js';
import { RequestLines } from './request.js';
import { RunDirectory } from './run-directory.js';
import { boundaryOf } from './run-inside.js';

/** How long a second launch waits for the first one's process record, ms. */
const START_PATIENCE_MS = 5_000;
/** The keeper's channel to the launch that started it. */
const READY_FD = 3;

/** Starts the run, or finds that it was started: exactly one keeper and one agent for a run id, ever. */
export async function launch(root: string, runId: string, request: LaunchRequest): Promise<LaunchAnswer> {
  boundaryOf(request.boundary);
  const run = new RunDirectory(root, runId);
  const first = run.make();
  run.raiseEpoch(request.epoch);
  if (!first) return { alreadyThere: true, process: await earlierProcess(run) };
  settle(run, request);
  const keeper = new KeeperProcess(run, run.keeperLog, request.boundary);
  return { alreadyThere: false, process: await keeper.begin(request) };
}

/**
 * Prepares, then launches, one at a time for a run: whoever comes second finds the run, and touches nothing of it. The
 * keeper is started first and waits for its request, so that the time which a process takes to come up passes while the
 * branch is fetched; a keeper that is given no request ends without a trace.
 */
export async function start(root: string, runId: string, request: StartRequest): Promise<StartAnswer> {
  boundaryOf(request.launch.boundary);
  const run = new RunDirectory(root, runId);
  if (run.isThere) return await startedBefore(run, request);
  const directory = join(root, 'tmp');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const name = `start-${runId}`;
  const answer = await locked(join(directory, name), () => startFirst(root, run, request));
  // Nobody needs the lock once the run is there.
  for (const file of readdirSync(directory)) {
    if (file.startsWith(`${name}.`)) rmSync(join(directory, file), { force: true });
  }
  return answer;
}

async function startFirst(root: string, run: RunDirectory, request: StartRequest): Promise<StartAnswer> {
  if (run.isThere) return await startedBefore(run, request);
  const log = join(root, 'tmp', `keeper-${draftName()}`);
  const keeper = new KeeperProcess(run, log, request.launch.boundary);
  try {
    const prepared = await prepare(root, run.runId, request.prepare, request.launch.boundary);
    // A `launch` of the same run doesn't ask for the lock.
    if (!run.make()) return await startedBefore(run, request);
    run.raiseEpoch(request.launch.epoch);
    run.prepared = prepared;
    settle(run, request.launch);
    renameSync(log, run.keeperLog);
    return { alreadyThere: false, process: await keeper.begin(request.launch), prepared };
  } finally {
    keeper.dismiss();
    rmSync(log, { force: true });
  }
}

/** What the agent finds when it comes up. Where it has a boundary, its files are written inside, by the same names. */
function settle(run: RunDirectory, request: LaunchRequest): void {
  if (request.boundary === undefined) placeFiles(run.root, request);
  else run.boundary = request.boundary;
}

async function startedBefore(run: RunDirectory, request: StartRequest): Promise<StartAnswer> {
  run.raiseEpoch(request.launch.epoch);
  const process = await earlierProcess(run);
  const { prepared } = run;
  return { alreadyThere: true, process, ...(prepared && { prepared }) };
}

async function earlierProcess(run: RunDirectory): Promise<RunProcess> {
  for (const end = performance.now() + START_PATIENCE_MS; ; await pause(10)) {
    const record = run.process;
    if (record !== undefined) return record.process;
    if (performance.now() > end) {
      throw new SupervisorFault('start_incomplete', `run ${run.runId} was begun before and never started`);
    }
  }
}

/** A keeper in a session of its own that comes up and waits for what it is to keep. */
class KeeperProcess {
  private readonly child: ChildProcess;
  private readonly ready: Promise<RunProcess>;

  constructor(run: RunDirectory, logFile: string, boundary: Boundary | undefined) {
    const log = openSync(logFile, 'a', 0o600);
    // Its own session, and none of our stdio: whoever waits for our output must not wait for the agent.
    this.child = spawn(process.execPath, [process.argv[1] ?? '', 'keep', run.runId, '--root', run.root], {
      cwd: run.root,
      env: {},
      detached: true,
      stdio: ['pipe', 'ignore', log, 'pipe'],
    });
    closeSync(log);
    this.child.unref();
    this.child.stdin?.on('error', () => undefined);
    this.child.stdin?.write(`${JSON.stringify(boundary ?? null)}\n`);
    this.ready = this.answer(run);
    // One that is dismissed is never asked.
    this.ready.catch(() => undefined);
  }

  /** Hands over the request; answers when the agent's process exists. */
  begin(request: LaunchRequest): Promise<RunProcess> {
    this.child.stdin?.end(`${JSON.stringify(request)}\n`);
    return this.ready;
  }

  /** Ends a keeper that was given nothing; one that has begun isn't reached by this. */
  dismiss(): void {
    this.child.stdin?.end();
  }

  private answer(run: RunDirectory): Promise<RunProcess> {
    return new Promise((accept, reject) => {
      let answer = '';
      const failed = (error: unknown): void =>
        reject(new SupervisorFault('launch_failed', `the run's keeper didn't start: ${String(error)}`));
      this.child.once('error', failed);
      this.child.stdin?.on('error', failed);
      const channel = this.child.stdio[READY_FD] as NodeJS.ReadableStream;
      channel.on('data', (chunk: Buffer) => (answer += chunk.toString('utf8')));
      channel.once('error', failed);
      channel.once('end', () => {
        if (answer.endsWith('\n')) accept(JSON.parse(answer) as RunProcess);
        else failed(ifThere(() => readFileSync(run.keeperLog, 'utf8').slice(-2_000)) ?? 'it ended at once');
      });
    });
  }
}

/** The keeper's own main: what `launch` started in a session of its own. */
export async function keep(root: string, runId: string): Promise<void> {
  const run = new RunDirectory(root, runId);
  const requests = new RequestLines();
  const boundary = await requests.next<Boundary | null>();
  // It comes up while the branch is fetched, as this process does.
  const opened = boundary === null ? undefined : new OpenBoundary(root, runId, boundary);
  const request = await requests.next<LaunchRequest>().catch(async (error: unknown) => {
    await opened?.dismiss();
    throw error;
  });
  requests.close();
  await new Keeper(run, request, opened).keep((known) => {
    writeSync(READY_FD, `${JSON.stringify(known)}\n`);
    closeSync(READY_FD);
  });
}
