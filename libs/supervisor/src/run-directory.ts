import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Boundary, PrepareAnswer, RunExit, RunProcess } from '@capstan/domain';
import { draftName } from './draft-name.js';
import { fenced, ifThere, SupervisorFault, systemCode } from './fault.js';
import { SUPERVISOR_EXIT } from '@capstan/domain';
import type { ProcessIdentity } from './processes.js';

const SAFE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** What the keeper writes when the agent was started. */
export interface ProcessRecord {
  readonly keeper: ProcessIdentity;
  readonly process: RunProcess;
  /** Unix ms at which the keeper ends the run, and its patience then, ms: for when it doesn't. */
  readonly deadlineAt: number;
  readonly graceMs: number;
}

/** The files of one run: `ROOT/runs/RUN/`. Every write is atomic, so a reader sees a whole file or none. */
export class RunDirectory {
  readonly path: string;
  readonly journal: string;
  readonly commands: string;
  readonly epochs: string;
  readonly keeperLog: string;

  constructor(
    readonly root: string,
    readonly runId: string,
  ) {
    if (!SAFE_NAME.test(runId)) {
      throw new SupervisorFault('bad_run_id', `not a run id: ${JSON.stringify(runId)}`, SUPERVISOR_EXIT.usage);
    }
    this.path = join(root, 'runs', runId);
    this.journal = join(this.path, 'journal.ndjson');
    this.commands = join(this.path, 'commands');
    this.epochs = join(this.path, 'epochs');
    this.keeperLog = join(this.path, 'keeper.log');
  }

  get isThere(): boolean {
    return existsSync(this.path);
  }

  /** Makes the directory; false when there is one already: exactly one caller ever gets true. */
  make(): boolean {
    mkdirSync(join(this.root, 'runs'), { recursive: true, mode: 0o700 });
    try {
      mkdirSync(this.path, { mode: 0o700 });
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return false;
      throw error;
    }
    mkdirSync(this.commands);
    mkdirSync(this.epochs);
    writeFileSync(this.journal, '', { mode: 0o600 });
    return true;
  }

  /**
   * Makes `epoch` seen; throws `fenced` when a higher one was. One file per epoch: the highest wins without a lock.
   */
  raiseEpoch(epoch: number): void {
    mkdirSync(this.epochs, { recursive: true });
    if (this.epoch() < epoch) writeFileSync(join(this.epochs, String(epoch)), '');
    const highest = this.epoch();
    if (highest > epoch) throw fenced(epoch, highest);
  }

  /** Highest epoch seen, 0 for none. */
  epoch(): number {
    const names = ifThere(() => readdirSync(this.epochs)) ?? [];
    return names.reduce((highest, name) => (/^\d{1,15}$/.test(name) ? Math.max(highest, Number(name)) : highest), 0);
  }

  get process(): ProcessRecord | undefined {
    return this.read<ProcessRecord>('process.json');
  }
  set process(record: ProcessRecord) {
    this.write('process.json', record);
  }

  /** What was prepared for the run by the command that made it. */
  get prepared(): PrepareAnswer | undefined {
    return this.read<PrepareAnswer>('prepared.json');
  }
  set prepared(answer: PrepareAnswer) {
    this.write('prepared.json', answer);
  }

  /** The walls that the run's agent had; none of a run without. */
  get boundary(): Boundary | undefined {
    return this.read<Boundary>('boundary.json');
  }
  set boundary(boundary: Boundary) {
    this.write('boundary.json', boundary);
  }

  get exit(): RunExit | undefined {
    return this.read<RunExit>('exit.json');
  }
  set exit(exit: RunExit) {
    this.write('exit.json', exit);
  }

  read<T>(name: string): T | undefined {
    const text = ifThere(() => readFileSync(join(this.path, name), 'utf8'));
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }

  /** Replaces the file, on disk when it returns. */
  write(name: string, value: unknown): void {
    const draft = this.draft(value);
    renameSync(draft, join(this.path, name));
  }

  /** Creates the file; false when it is there already, which leaves it as it is. */
  create(name: string, value: unknown): boolean {
    const draft = this.draft(value);
    try {
      linkSync(draft, join(this.path, name));
      return true;
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return false;
      throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  }

  private draft(value: unknown): string {
    const draft = join(this.path, `.${draftName()}`);
    const file = openSync(draft, 'wx', 0o600);
    try {
      writeFileSync(file, JSON.stringify(value));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    return draft;
  }
}

/** Throws unless `name` can be part of a file's name. */
export function requireSafeName(name: string, what: string): void {
  if (!SAFE_NAME.test(name)) {
    throw new SupervisorFault('bad_request', `not a ${what}: ${JSON.stringify(name)}`, SUPERVISOR_EXIT.usage);
  }
}
