import { existsSync } from 'node:fs';
import { SUPERVISOR_EXIT } from '@capstan/domain';
import type { RunExit } from '@capstan/domain';
import { draftName } from './draft-name.js';
import { fenced, notFound, SupervisorFault } from './fault.js';
import { exitIn, JournalReader, lastNumberIn } from './journal.js';
import type { RunDirectory } from './run-directory.js';
import { recorded, status } from './status.js';
import { Watch } from './watch.js';

const BEAT_MS = 1_000;
/** Pause between looks where the system gives no notice of a change, ms. */
const POLL_MS = 100;

/**
 * Prints the journal's lines from `from` on, then those to come, until the exit line. Raises the epoch. A newer attach
 * ends this one: a connection that broke must not leave a reader behind for ever.
 */
export async function attach(run: RunDirectory, from: number, epoch: number): Promise<void> {
  if (!existsSync(run.path)) throw notFound(run.runId);
  run.raiseEpoch(epoch);
  // A reader that went away ends what is only printed for it.
  process.stdout.on('error', () => process.exit(SUPERVISOR_EXIT.failed));
  const token = draftName();
  run.write('attached.json', token);
  const watch = new Watch(run.journal);
  const reader = JournalReader.open(run.journal);
  const beats = new Beats(run, epoch, token, watch);
  try {
    await follow(run, reader, from, watch, beats);
  } finally {
    beats.stop();
    watch.close();
    reader.close();
  }
}

async function follow(
  run: RunDirectory,
  reader: JournalReader,
  from: number,
  watch: Watch,
  beats: Beats,
): Promise<void> {
  beats.last = from - 1;
  for (let offset = reader.offsetOf(from); ;) {
    // Asked before reading: when the exit is recorded, everything else is in the journal.
    const exit = run.exit;
    const lines = reader.wholeLines(offset);
    if (lines.length > 0) {
      offset += lines.length;
      beats.last = lastNumberIn(lines) ?? beats.last;
      await beats.print(lines);
      // The line alone proves nothing, since the agent could write it; the keeper's record follows at once.
      if (exitIn(lines) !== undefined && (await recorded(run))) return;
      continue;
    }
    if (exit !== undefined) return await endWithout(reader, exit, from, beats);
    if (beats.failure !== undefined) throw beats.failure;
    await watch.next(POLL_MS);
  }
}

/** The exit is recorded, and either its line was before `from` or a full disk kept it out of the journal. */
async function endWithout(reader: JournalReader, exit: RunExit, from: number, beats: Beats): Promise<void> {
  if (reader.end().exit !== undefined) return;
  const n = Math.max(beats.last, from - 1) + 1;
  await beats.print(`${JSON.stringify({ n, at: new Date().toISOString(), kind: 'exit', exit })}\n`);
}

/** The clock beside the stream: a beat in each silent second, and a look whether this attach is still wanted. */
class Beats {
  /** Number of the last line printed. */
  last = 0;
  failure: SupervisorFault | undefined;
  private printed = false;
  private blocked = false;
  private checks = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly run: RunDirectory,
    private readonly epoch: number,
    private readonly token: string,
    private readonly watch: Watch,
  ) {
    this.timer = setInterval(() => this.tick(), BEAT_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  async print(bytes: Buffer | string): Promise<void> {
    this.printed = true;
    this.blocked = true;
    await new Promise<void>((resolve) => process.stdout.write(bytes, () => resolve()));
    this.blocked = false;
  }

  private tick(): void {
    this.failure ??= this.overtaken();
    // A reader that no longer reads holds this process in its write; it is left as soon as it was replaced.
    if (this.failure !== undefined && this.blocked) process.exit(this.failure.exitCode);
    if (this.failure !== undefined) this.watch.notice();
    else if (!this.printed && !this.blocked) void this.beat();
    this.printed = false;
  }

  private async beat(): Promise<void> {
    await this.print(`${JSON.stringify({ beat: this.last })}\n`);
    this.printed = false;
    if (++this.checks % 2 === 1) this.failure ??= await this.lost();
  }

  private overtaken(): SupervisorFault | undefined {
    const highest = this.run.epoch();
    if (highest > this.epoch) return fenced(this.epoch, highest);
    if (this.run.read<string>('attached.json') === this.token) return undefined;
    return new SupervisorFault('replaced', 'a newer attach reads this run', SUPERVISOR_EXIT.fenced);
  }

  private async lost(): Promise<SupervisorFault | undefined> {
    const { state } = await status(this.run);
    if (state !== 'lost') return undefined;
    return new SupervisorFault('run_lost', 'the run ended without an exit record', SUPERVISOR_EXIT.lost);
  }
}
