import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { STOP_GRACE_MS } from '@capstan/domain';
import type { CommandAnswer, CommandRequest, LaunchRequest, RunExit, RunProcess } from '@capstan/domain';
import { startBare, StartFailure } from './agent-process.js';
import type { AgentProcess } from './agent-process.js';
import type { OpenBoundary } from './boundary.js';
import { ifThere } from './fault.js';
import { Guard } from './guard.js';
import { JournalWriter } from './journal.js';
import type { JournalEntry } from './journal.js';
import { LineSplitter } from './line-splitter.js';
import { bootId, endProcesses, identify } from './processes.js';
import type { ProcessIdentity } from './processes.js';
import type { RunDirectory } from './run-directory.js';
import { Watch } from './watch.js';
import { within } from './within.js';

/** How long output is waited for after the last process of the run is gone, ms. */
const DRAIN_MS = 2_000;
/** Longest single timer: the clock is looked at again at least this often (it may be set, or the machine sleep), ms. */
const CLOCK_CHECK_MS = 30_000;

type Ending = { readonly kind: NonNullable<RunExit['ended']>; readonly message: string };

/**
 * The one process that keeps a run: it starts the agent, writes the journal, enforces deadline and caps, carries out
 * commands and records the exit. It needs nothing else of Capstan to be alive.
 */
export class Keeper {
  private readonly journal: JournalWriter;
  private readonly commands: Watch;
  private readonly handled = new Set<string>();
  private readonly graceMs: number;
  private agent: AgentProcess | undefined;
  private ending: Ending | undefined;
  private over = false;
  private journalBroken = false;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly run: RunDirectory,
    private readonly request: LaunchRequest,
    /** Comes up since before the request was known. */
    private readonly boundary: OpenBoundary | undefined,
  ) {
    this.journal = new JournalWriter(run.journal);
    this.commands = new Watch(run.commands);
    this.graceMs = request.graceMs ?? STOP_GRACE_MS;
  }

  /** Starts the agent and says so through `ready`; answers when the run is over and its exit recorded. */
  async keep(ready: (process: RunProcess) => void): Promise<void> {
    const agent = await this.start();
    const own = identify(process.pid) as ProcessIdentity;
    const identity = agent instanceof StartFailure ? own : identify(agent.pid);
    const known = { runId: this.run.runId, ...(identity ?? { pid: own.pid, startTime: '', bootId: bootId() }) };
    const { deadlineAt } = this.request;
    this.run.process = { keeper: own, process: known, deadlineAt, graceMs: this.graceMs };
    ready(known);
    if (agent instanceof StartFailure) {
      this.commands.close();
      return this.record({ code: null, signal: null, ended: 'start_failed', message: agent.message }, 0);
    }
    this.agent = agent;
    await this.attend(agent);
  }

  private async attend(agent: AgentProcess): Promise<void> {
    this.serveStdio(agent);
    const guard = new Guard(this.run);
    const commands = this.serveCommands();
    const deadline = this.watchDeadline();
    process.on('SIGTERM', () => this.end({ kind: 'stopped', message: 'the keeper was asked to end' }));
    process.on('SIGINT', () => undefined);
    process.on('SIGHUP', () => undefined);
    const exit = await agent.exited;
    clearInterval(deadline);
    await this.closing;
    const asked = this.ending !== undefined || agent.askToEnd !== undefined;
    const left = await endProcesses(this.run.runId, { graceMs: asked ? 0 : this.graceMs, session: agent.pid });
    await this.drained(agent);
    this.over = true;
    this.commands.close();
    await commands;
    this.record(exit, left);
    guard.dismiss();
  }

  private async start(): Promise<AgentProcess | StartFailure> {
    try {
      return await (this.boundary?.start(this.request) ?? startBare(this.run.runId, this.request));
    } catch (error) {
      if (error instanceof StartFailure) return error;
      throw error;
    }
  }

  private serveStdio(agent: AgentProcess): void {
    const { stdin, keepStdinOpen } = this.request;
    this.listen(agent, 'stdout');
    this.listen(agent, 'stderr');
    // An agent that doesn't read its stdin is no fault of ours.
    agent.stdin?.on('error', () => undefined);
    if (stdin !== undefined && stdin !== '') agent.stdin?.write(stdin);
    if (keepStdinOpen !== true) agent.stdin?.end();
  }

  private listen(agent: AgentProcess, kind: 'stdout' | 'stderr'): void {
    const splitter = new LineSplitter();
    const write = (lines: ReturnType<LineSplitter['push']>): void =>
      this.write(lines.map(({ text, cut }) => (cut ? { kind, text, cut } : { kind, text })));
    agent[kind].on('data', (chunk: Buffer) => write(splitter.push(chunk))).resume();
    agent[kind].once('end', () => write(splitter.end()));
    agent[kind].on('error', () => write(splitter.end()));
  }

  /** Past the cap output is still read, so that the agent can end, and thrown away. */
  private write(entries: readonly JournalEntry[]): void {
    if (this.journalBroken || this.journal.bytes >= this.request.maxJournalBytes) return;
    try {
      this.journal.append(entries);
    } catch (error) {
      this.journalBroken = true;
      this.end({ kind: 'log_limit', message: `the journal can't be written: ${String(error)}` });
      return;
    }
    if (this.journal.bytes >= this.request.maxJournalBytes) {
      this.end({ kind: 'log_limit', message: `the run wrote more than ${this.request.maxJournalBytes} bytes` });
    }
  }

  private watchDeadline(): NodeJS.Timeout {
    const check = (): void => {
      if (Date.now() >= this.request.deadlineAt)
        this.end({ kind: 'deadline', message: 'the run reached its deadline' });
    };
    const remaining = Math.max(0, this.request.deadlineAt - Date.now());
    if (remaining < CLOCK_CHECK_MS) return setTimeout(check, remaining + 1);
    const timer: NodeJS.Timeout = setInterval(() => {
      check();
      const left = this.request.deadlineAt - Date.now();
      if (left > 0 && left < CLOCK_CHECK_MS) setTimeout(check, left + 1).unref();
    }, CLOCK_CHECK_MS / 2);
    return timer;
  }

  /** Interrupts the agent, waits a grace, then ends every process of the run. The first reason stands. */
  private end(ending: Ending): void {
    if (this.ending !== undefined || this.over) return;
    this.ending = ending;
    this.closing = this.close();
  }

  private async close(): Promise<void> {
    const { agent } = this;
    if (agent === undefined) return;
    agent.interrupt();
    await within(this.graceMs, (done) => void agent.exited.then(done));
    await agent.askToEnd?.(this.graceMs);
    const graceMs = agent.askToEnd === undefined ? this.graceMs : 0;
    await endProcesses(this.run.runId, { graceMs, session: agent.pid });
  }

  private async drained(agent: AgentProcess): Promise<void> {
    for (const stream of [agent.stdout, agent.stderr]) {
      if (stream.closed || stream.readableEnded) continue;
      await within(DRAIN_MS, (done) => void stream.once('close', done));
      stream.destroy();
    }
  }

  private record(exit: RunExit, left: number): void {
    const notes = [this.ending?.message, exit.message];
    if (left > 0) notes.push(`${left} processes of the run couldn't be ended`);
    const message = notes.filter((note) => note !== undefined).join('; ');
    const ended = this.ending?.kind ?? exit.ended;
    const full: RunExit = { ...exit, ...(ended && { ended }), ...(message !== '' && { message }) };
    try {
      this.journal.append([{ kind: 'exit', exit: full }]);
    } catch (error) {
      process.stderr.write(`the exit couldn't be journaled: ${String(error)}\n`);
    }
    this.run.exit = full;
    this.journal.close();
  }

  private async serveCommands(): Promise<void> {
    while (!this.over) {
      await this.commands.next();
      for (const name of ifThere(() => readdirSync(this.run.commands)) ?? []) {
        if (name.endsWith('.request') && !this.handled.has(name)) this.serve(name);
      }
    }
  }

  private serve(name: string): void {
    this.handled.add(name);
    const request = this.run.read<CommandRequest>(join('commands', name));
    if (request === undefined) return;
    const { id, epoch } = request;
    if (epoch < this.run.epoch()) {
      // Not the command's answer for good: whoever holds the newer epoch may send it again.
      this.answer(`${id}@${epoch}.fenced`, { id, accepted: false, refusal: 'fenced' });
      return;
    }
    if (this.run.read(join('commands', `${id}.answer`)) !== undefined) return;
    const accepted = this.carryOut(request);
    if (accepted) this.write([{ kind: 'command', id, command: request.command }]);
    this.answer(`${id}.answer`, accepted ? { id, accepted } : { id, accepted, refusal: 'unsupported' });
  }

  private answer(name: string, answer: CommandAnswer): void {
    this.run.create(join('commands', name), answer);
  }

  private carryOut(request: CommandRequest): boolean {
    const { agent } = this;
    switch (request.command) {
      case 'message':
        return this.tell(request.text ?? '');
      case 'interrupt':
        if (request.text !== undefined) return this.tell(request.text);
        agent?.interrupt();
        return true;
      case 'end_input':
        return this.endInput();
      case 'stop':
        this.end({ kind: request.limit ?? 'stopped', message: request.text ?? 'stopped on request' });
        return true;
    }
  }

  /** What was written before is read before the end. False where the agent has no open stdin. */
  private endInput(): boolean {
    const stdin = this.agent?.stdin;
    if (!stdin?.writable) return false;
    stdin.end();
    return true;
  }

  /** False where the agent has no open stdin. */
  private tell(line: string): boolean {
    const stdin = this.agent?.stdin;
    if (stdin === undefined || stdin === null || !stdin.writable) return false;
    stdin.write(`${line}\n`);
    return true;
  }
}
