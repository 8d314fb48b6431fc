/**
 * What a supervisor is told and answers. Every command is one exec of the bundled file in the pod:
 *
 *   node supervisor.mjs COMMAND [RUN] [options]    request JSON on stdin, one line; answers are ndjson on stdout
 *
 * Errors answer `{"error":{"code","message"}}` on stdout and exit with a code other than 0.
 */

export type SupervisorCommand =
  'prepare' | 'launch' | 'start' | 'attach' | 'command' | 'status' | 'finish' | 'collect' | 'discard' | 'init';

/** `prepare RUN`: bring the pod clone up to date under its lock, then make or reuse the task's worktree. */
export interface PrepareRequest {
  /** URL that the pod clone fetches from. */
  readonly remoteUrl: string;
  /** Value of an `Authorization` header for that URL; only ever in this process's environment. */
  readonly authorization?: string;
  /** Branch that the work starts from and the pull request goes to. */
  readonly baseBranch: string;
  /** The task's branch. When it exists at the remote and the worktree is new, the work goes on from there. */
  readonly branch: string;
  /** Directories, absolute or relative to the pod's root. */
  readonly clone: string;
  readonly worktree: string;
  readonly home: string;
  /** Empties an existing worktree first (force-restart keeps the branch, force-redo has a new one). */
  readonly fresh: boolean;
  /** How long ago this was asked for, ms, default 0: a fetch that began since then is new enough. */
  readonly askedMsAgo?: number;
  /** Nobody has published the task's branch, so it needn't be looked for, and others' fetches of the base serve. */
  readonly branchIsNew?: boolean;
}
export interface PrepareAnswer {
  /** Commit that the branch started from: the base branch's tip, or the merge base. */
  readonly base: string;
  /** Commit checked out now. */
  readonly head: string;
  readonly reused: boolean;
  /** Milliseconds until the remote's tips were known, and from then until the worktree was there. */
  readonly fetchMs: number;
  readonly worktreeMs: number;
}

/**
 * The walls that an agent lives in where its pod has none of its own. Whatever touches the worktree's `.git` later runs
 * inside the same ones: the supervisor keeps them with the run.
 */
export interface Boundary {
  /** A program (absolute path) and its arguments, after which the command that runs inside follows. */
  readonly argv: readonly string[];
  /** Inside, 127.0.0.1:port is passed on byte for byte to a Unix socket, by its path as seen inside. */
  readonly relay?: { readonly port: number; readonly socket: string };
}

/**
 * `launch RUN`: double fork, own session, stdio kept by a keeper process. A second launch answers `alreadyThere`.
 * A program that can't be started is a run that exited with `start_failed`, not a failed launch.
 */
export interface LaunchRequest {
  readonly epoch: number;
  readonly argv: readonly string[];
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Written to the agent's stdin, then closed; undefined gives an empty stdin. */
  readonly stdin?: string;
  /** Leaves the agent's stdin open after `stdin`, so that `message` can write further lines to it. */
  readonly keepStdinOpen?: boolean;
  /** Files written 0600 before the start, e.g. the prompt; path (absolute, or relative to the pod's root) → text. */
  readonly files?: Readonly<Record<string, string>>;
  /** Unix ms after which the supervisor ends the run, whether Capstan lives or not. */
  readonly deadlineAt: number;
  /** Bytes of journal after which the run ends with `log_limit`. */
  readonly maxJournalBytes: number;
  /** How long an ending run may take after the interrupt, and again after SIGTERM, ms; default {@link STOP_GRACE_MS}. */
  readonly graceMs?: number;
  /** Without it the agent sees what the supervisor sees. Files are then written, and paths resolved, inside. */
  readonly boundary?: Boundary;
}
export interface LaunchAnswer {
  readonly alreadyThere: boolean;
  readonly process: RunProcess;
}

/**
 * `start RUN`: prepare and launch in one command, with the run's keeper being started while the branch is fetched. A run
 * that is there already is left as it is: its worktree isn't touched. What prepare refuses, start refuses, and no run is
 * left of it.
 */
export interface StartRequest {
  readonly prepare: PrepareRequest;
  readonly launch: LaunchRequest;
  /**
   * Goes on in the same process and connection, as `attach --from N` and then `finish` would: the answer's line is
   * followed by the journal's, and after the exit by one {@link FinishedItem}, unless the run was stopped, has another
   * owner by then, or can't be finished; `finish` then says why.
   */
  readonly follow?: { readonly from: number; readonly finish: Omit<FinishRequest, 'base'> };
}
export interface StartAnswer extends LaunchAnswer {
  /** What the start that made the run prepared; none of a run that `launch` made. */
  readonly prepared?: PrepareAnswer;
}

/** How a run's process is known again after everything else was restarted. */
export interface RunProcess {
  readonly runId: string;
  readonly pid: number;
  /** Process start time in clock ticks since boot (field 22 of /proc/PID/stat). */
  readonly startTime: string;
  readonly bootId: string;
}

/** One line of the journal, in order and without a gap. */
export type JournalLine =
  | {
      readonly n: number;
      readonly at: string;
      readonly kind: 'stdout' | 'stderr';
      readonly text: string;
      readonly cut?: boolean;
    }
  | {
      readonly n: number;
      readonly at: string;
      readonly kind: 'command';
      readonly id: string;
      readonly command: RunCommandKind;
    }
  | { readonly n: number; readonly at: string; readonly kind: 'exit'; readonly exit: RunExit };

/** `end_input` closes the agent's stdin: nobody has more to say to it, so it can end. */
export type RunCommandKind = 'message' | 'interrupt' | 'end_input' | 'stop';
/**
 * Why Capstan ends a run from outside; deadline and log are the supervisor's own. `given_up`: nothing good can come of it
 * any more.
 */
export type RunLimitReached = 'cost_limit' | 'turn_limit' | 'given_up';

export interface RunExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** Set when the supervisor ended the run; a {@link RunLimitReached} because it was asked to for that reason. */
  readonly ended?: 'deadline' | 'log_limit' | 'stopped' | 'start_failed' | RunLimitReached;
  readonly message?: string;
}

/**
 * `attach RUN --from N --epoch E` prints journal lines from N on, and a beat (the last line's number) each second while
 * nothing comes. Ends with 0 after the exit line, `fenced` when a newer attach or a higher epoch came, `lost` when the
 * run is over without an exit record.
 */
export type AttachItem = JournalLine | { readonly beat: number };

/** `command RUN`: journaled; a repeated id gets the first answer, an epoch lower than the highest seen is refused. */
export interface CommandRequest {
  readonly id: string;
  readonly epoch: number;
  readonly command: RunCommandKind;
  /**
   * For `message`, the line for the agent's stdin. For `interrupt` the same where the agent takes interrupts there; one
   * without text is a SIGINT, which an agent that isn't made for it doesn't survive. For `stop`, why.
   */
  readonly text?: string;
  /** For `stop`: why Capstan ends the run. It is in the exit record, so that whoever judges the run knows of it. */
  readonly limit?: RunLimitReached;
}
export interface CommandAnswer {
  readonly id: string;
  readonly accepted: boolean;
  /** `fenced`: a newer epoch is known; `ended`: the run is over; `unsupported`: the agent has no open stdin. */
  readonly refusal?: 'fenced' | 'ended' | 'unsupported';
}

/** `status RUN`. `unknown`: there is no such run here. `lost`: launched, but neither process nor exit record is left. */
export interface StatusAnswer {
  readonly state: 'unknown' | 'running' | 'exited' | 'lost';
  readonly process?: RunProcess;
  /** Of a run that `start` made. */
  readonly prepared?: PrepareAnswer;
  readonly exit?: RunExit;
  /** Sequence number of the last whole journal line, 0 for none. */
  readonly lastLine: number;
  /** Highest epoch seen. */
  readonly epoch: number;
}

/** `finish RUN`: commits uncommitted work of an ended run and says what is there. */
export interface FinishRequest {
  readonly worktree: string;
  readonly home: string;
  /** The commit that the branch started from; commits are counted from here. */
  readonly base: string;
  readonly branch: string;
  /** Message and author of the commit that Capstan makes of uncommitted work. */
  readonly message: string;
  readonly author: string;
}
/** The last item of a `start` that was asked to follow. */
export interface FinishedItem {
  readonly finished: FinishAnswer;
}
export interface FinishAnswer {
  readonly head: string;
  readonly commitCount: number;
  /** True when Capstan committed what the agent had left uncommitted. */
  readonly committedLeftovers: boolean;
}

/** `collect RUN`: prints a git bundle of `base..branch` on stdout as raw bytes. */
export interface CollectRequest {
  readonly worktree: string;
  readonly home: string;
  readonly base: string;
  readonly branch: string;
}

/**
 * `discard`: removes worktrees and homes, and the directories of ended runs. What is gone already is fine; a run that
 * is still running fails the command before anything is removed.
 */
export interface DiscardRequest {
  readonly paths: readonly string[];
  readonly runIds: readonly string[];
}

/** `probe`, run inside a boundary: tries what must not be possible there. Addresses are `host:port`. */
export interface ProbeRequest {
  readonly unreadable: readonly string[];
  readonly writable: readonly string[];
  /** A file of that name is left in each of these, where that can be done: whoever asks looks from outside for it. */
  readonly marked: { readonly directories: readonly string[]; readonly name: string };
  readonly unreachable: readonly string[];
  /** Name of an abstract Unix socket that is listened on outside. */
  readonly abstractSocket?: string;
  readonly relay?: NonNullable<Boundary['relay']>;
}
export interface ProbeAnswer {
  /** What was possible and must not be, or must be and was not; in words. Empty: the boundary holds. */
  readonly holes: readonly string[];
}

export interface SupervisorFailure {
  readonly error: { readonly code: string; readonly message: string };
}

/** Exit codes other than 0. */
export const SUPERVISOR_EXIT = { usage: 2, failed: 1, fenced: 3, notFound: 4, lost: 5 } as const;

/** Longest line kept whole, bytes; the rest of a longer one is cut and marked. */
export const MAX_LINE_BYTES = 1_048_576;
export const MAX_JOURNAL_BYTES = 268_435_456;
/** Patience with an agent that was asked to end, ms. */
export const STOP_GRACE_MS = 3_000;
/** A silent attach stream is replaced after this, ms. */
export const ATTACH_SILENCE_MS = 5_000;
/** The variable that marks every process of a run. */
export const RUN_ID_VARIABLE = 'CAPSTAN_RUN_ID';
/** Set to `required` for a pod's supervisor: it then starts no agent, and no git after one, without a boundary. */
export const BOUNDARY_VARIABLE = 'CAPSTAN_BOUNDARY';
