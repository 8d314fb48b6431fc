import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { LaunchAnswer, LaunchRequest, RunProcess, StartAnswer, StartRequest } from '@capstan/domain';
import { draftName } from './draft-name.js';
import { ifThere, SupervisorFault } from './fault.js';
import { requireInside } from './inside.js';
import { Keeper } from './keeper.js';
import { locked } from './lock.js';
import { prepare } from './prepare.js';
import { readRequest } from './request.js';
import { RunDirectory } from './run-directory.js';

/** How long a second launch waits for the first one's process record, ms. */
const START_PATIENCE_MS = 5_000;
/** The keeper's channel to the launch that started it. */
const READY_FD = 3;

/** Starts the run, or finds that it was started: exactly one keeper and one agent for a run id, ever. */
export async function launch(root: string, runId: string, request: LaunchRequest): Promise<LaunchAnswer> {
  const run = new RunDirectory(root, runId);
  const first = run.make();
  run.raiseEpoch(request.epoch);
  if (!first) return { alreadyThere: true, process: await earlierProcess(run) };
  placeFiles(root, request);
  return { alreadyThere: false, process: await new KeeperProcess(run, run.keeperLog).begin(request) };
}

/**
 * Prepares, then launches, one at a time for a run: whoever comes second finds the run, and touches nothing of it. The
 * keeper is started first and waits for its request, so that the time which a process takes to come up passes while the
 * branch is fetched; a keeper that is given no request ends without a trace.
 */
export async function start(root: string, runId: string, request: StartRequest): Promise<StartAnswer> {
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
  const keeper = new KeeperProcess(run, log);
  try {
    const prepared = await prepare(root, request.prepare);
    // A `launch` of the same run doesn't ask for the lock.
    if (!run.make()) return await startedBefore(run, request);
    run.raiseEpoch(request.launch.epoch);
    run.prepared = prepared;
    placeFiles(root, request.launch);
    renameSync(log, run.keeperLog);
    return { alreadyThere: false, process: await keeper.begin(request.launch), prepared };
  } finally {
    keeper.dismiss();
    rmSync(log, { force: true });
  }
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

  constructor(run: RunDirectory, logFile: string) {
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
  const request = await readRequest<LaunchRequest>();
  await new Keeper(run, request).keep((known) => {
    writeSync(READY_FD, `${JSON.stringify(known)}\n`);
    closeSync(READY_FD);
  });
}

function placeFiles(root: string, { files = {} }: LaunchRequest): void {
  for (const [path, text] of Object.entries(files)) placeFile(root, path, text);
}

/** Writes a file 0600 inside the root. Renamed into place, so a link planted there is replaced, not followed. */
function placeFile(root: string, path: string, text: string): void {
  const target = resolve(root, path);
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
  requireInside(root, realpathSync(dirname(target)), path);
  const draft = join(dirname(target), `.${draftName()}`);
  writeFileSync(draft, text, { mode: 0o600, flag: 'wx' });
  renameSync(draft, target);
}
