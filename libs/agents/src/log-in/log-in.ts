/** What an existing log-in of an agent's program on this machine is to Capstan. */
export interface LogIn {
  /** `expired`: its program renews it; `unusable`: it is there, and can't stand in for a secret. */
  readonly state: 'usable' | 'expired' | 'unusable';
  /** Where it lies, below the home directory, e.g. `~/.codex/auth.json`. */
  readonly place: string;
  /** What it is, or why it isn't used. No part of its value. */
  readonly words: string;
  readonly remedy: Remedy | null;
  /** What it stands in for, by the secret's name. Only ever for egress: nobody else has a use for the values. */
  readonly keys: Readonly<Record<string, string>>;
}

/** What helps. */
export interface Remedy {
  readonly words: string;
  /** To be run on this machine, where a command helps. */
  readonly command: string | null;
}

/** An agent's program, as people install it and log in with it. */
export interface AgentProgram {
  /** As it is looked for on the search path. */
  readonly name: string;
  /** Its package on npm. */
  readonly package: string;
  /** The version that Capstan was tried with. */
  readonly tried: string;
  /** Variables with which it does nothing but what it is asked: no update, no word to anybody. */
  readonly quiet: Readonly<Record<string, string>>;
  readonly logIn: {
    /** The command that logs in, for people. */
    readonly command: string;
    /** Files below the home directory that say what log-in there is. */
    readonly files: readonly string[];
    /**
     * What these say; null where there is no log-in. Pure, and never throws: a file that can't be understood is one
     * that can't be used. @param texts by file, of those that are there. @param now ms since 1970
     */
    read(texts: ReadonlyMap<string, string>, now: number): LogIn | null;
  };
}

/** A log-in that is there and of no use. */
export function unusable(file: string, words: string, remedy: Remedy): LogIn {
  return { state: 'unusable', place: `~/${file}`, words, remedy, keys: {} };
}

/** One that stands in for secrets. */
export function usable(file: string, words: string, keys: Readonly<Record<string, string>>): LogIn {
  return { state: 'usable', place: `~/${file}`, words, remedy: null, keys };
}

/** Text of a secret that somebody has pasted or a program has written: without space around it, and never empty. */
export function keyText(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

/** The command that installs a program, or brings it up to date. */
export function installCommand(program: Pick<AgentProgram, 'package'>): string {
  return `npm install -g ${program.package}@latest`;
}
