import type { LogKind, RunExit, RunLimits, RunOutcome, Usage } from '@capstan/domain';
import type { AgentProgram } from './log-in/log-in.js';

/** How a repository wants its agent run. Validated by each adapter's own schema. */
export interface AgentSettings {
  /** Adapter name in the registry, e.g. `command`. */
  readonly agent: string;
  readonly model?: string;
  /** Not for `command`: address of a compatible model endpoint instead of the provider's own. */
  readonly baseUrl?: string;
  /** `command` only: program and arguments. */
  readonly argv?: readonly string[];
  /** `command` only: where the prompt goes. Default `stdin`. */
  readonly promptVia?: 'stdin' | 'file';
  /** `command` only: how its output is read. Default `text`. */
  readonly output?: 'text' | 'ndjson';
  /** `command` only: `ndjson` keeps its stdin open and sends it messages and interrupts there. Default `none`. */
  readonly input?: 'none' | 'ndjson';
  /** Further non-secret variables of the agent. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface AgentInvocation {
  readonly settings: AgentSettings;
  readonly prompt: string;
  readonly limits: RunLimits;
  /** Directories as seen in the pod. */
  readonly worktree: string;
  readonly home: string;
  /**
   * Secrets that the adapter asked for by name in `credentials` and `options`, and that are set. Behind a model door a
   * credential's value is the run's own token, for which the door puts the key; what `options` and `direct` name is as
   * it is set.
   */
  readonly secrets: Readonly<Record<string, string>>;
  /** Address in the pod behind which Capstan adds the keys, without a slash at its end; see {@link modelAddress}. */
  readonly modelDoor?: string;
  /** Session of an earlier run to go on from, where the CLI can. */
  readonly resumeSession?: string;
  /** Variables of the pod. Only those on the adapter's allow-list pass, e.g. PATH, LANG, TZ and the proxies. */
  readonly podEnvironment?: Readonly<Record<string, string | undefined>>;
  /** Directory in the pod that its tasks share for tool caches; undefined puts them under `home`. */
  readonly cacheDirectory?: string;
}

/** What the supervisor launches. Pure result of {@link AgentAdapter.command}; golden-tested. */
export interface AgentCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Stdin stays open after that, for what {@link Steering} encodes. */
  readonly keepStdinOpen?: boolean;
  /** Files to write before the start; path → text. */
  readonly files?: Readonly<Record<string, string>>;
}

/**
 * How people reach an agent that is at work: lines for its stdin, without the line end. Null where it can't be reached
 * so. `signal`: a SIGINT ends its turn and leaves it alive.
 */
export interface Steering {
  readonly message: ((id: string, text: string) => string) | null;
  readonly interrupt: ((id: string) => string) | 'signal' | null;
}

export interface ParsedLine {
  readonly kind: LogKind;
  readonly text: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** State that a parser folds over a run's output; serialisable, so that a new runner goes on where the old one was. */
export interface ParseState {
  readonly usage?: Usage;
  /** The agent's session, for a later run to go on from; empty when the one that was to be resumed is not there. */
  readonly session?: string;
  /** Turns that the agent has taken in this run, where it tells; Capstan ends it beyond `maxTurns`. */
  readonly turns?: number;
  /** The run can't end well any more, for a reason that only time or a person cures: Capstan ends it with this outcome. */
  readonly hopeless?: RunOutcome;
  /** The agent has done what it was told and waits at its open stdin: Capstan closes it, unless there is more to say. */
  readonly idle?: boolean;
  /** Structured facts for the judge. Never derived from free text. */
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface ParseStep {
  readonly state: ParseState;
  /** One journal line may give none, one or several lines of the log. */
  readonly lines: readonly ParsedLine[];
}

export interface Judgement {
  /** `ok`: the commits decide · else the outcome stands as it is. */
  readonly verdict: 'ok' | 'outcome';
  readonly outcome?: RunOutcome;
}

/**
 * One coding agent. All members are pure: the runner executes.
 * Unknown output is kept as kind `unknown`, and is never an error.
 */
export interface AgentAdapter {
  readonly name: string;
  readonly title: string;
  /** What people install; none of an agent that is any program. */
  readonly program?: AgentProgram;
  /** Secret names of which at least one set must be there; empty for none. */
  readonly credentials: readonly string[];
  /** Names of further secrets that it reads where they are set: choices, never keys. */
  readonly options?: readonly string[];
  /** Credentials that have to be in the pod as they are, since its program takes them to its provider by itself. */
  readonly direct?: readonly string[];
  /** Hosts that its program may talk to beside the model door: its provider's. That of another is a way out to somebody's account there. */
  readonly hosts: readonly string[];
  /**
   * Those of `credentials` that are of use with these settings and choices; all of them unless told. Never throws: what
   * can't work is for {@link AgentAdapter.validate} to say.
   */
  readonly takes?: (settings: AgentSettings, choices: Readonly<Record<string, string>>) => readonly string[];
  /** Refuses settings that can't work, as UserError with the field. */
  validate(settings: AgentSettings): void;
  command(invocation: AgentInvocation): AgentCommand;
  /** Takes the settings because they say what an agent understands. */
  steering(settings: AgentSettings): Steering;
  /**
   * The state before the first line. Takes the settings because they say how output is read, and for a run that goes on
   * from a session the facts of the run that had it last (`{}` where there are none), for what a CLI counts over the
   * whole session. Without them a resumed run is taken for a new one.
   */
  initial(settings: AgentSettings, former?: ParseState['facts']): ParseState;
  parse(state: ParseState, stream: 'stdout' | 'stderr', text: string): ParseStep;
  judge(state: ParseState, exit: RunExit): Judgement;
}
