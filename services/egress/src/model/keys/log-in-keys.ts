import { AGENT_NAMES, agent, readLogIn, type LogIn } from '@capstan/agents';
import type { LiveRun } from '../../admit/live-runs.js';
import type { Provider } from '../provider.js';
import type { ModelKey } from './keys.decide.js';

/** How long a log-in that was read is used: its program may renew it at any time. ms */
const FRESH_MS = 3_000;

export interface LogInKeysFound {
  readonly keys: readonly ModelKey[];
  /** Why a log-in that is there does not do, for people; null where there is none to tell of. */
  readonly fault: string | null;
}

const NONE: LogInKeysFound = { keys: [], fault: null };

/**
 * The log-in that an agent's own program has on this machine, as keys where no secret is set. It goes to the provider's
 * own host alone: never to an address that somebody has set for a repository.
 */
export class LogInKeys {
  private readonly read = new Map<string, { readonly until: number; readonly logIn: Promise<LogIn | null> }>();

  constructor(
    /** Home directory that it is looked for in; undefined: none is used. */
    private readonly home: string | undefined,
    private readonly now: () => number = () => Date.now(),
  ) {}

  /** @param wanted names of the secrets of which one would have to be set */
  async of(
    { agent: settings }: Pick<LiveRun, 'agent'>,
    provider: Provider,
    wanted: readonly string[],
  ): Promise<LogInKeysFound> {
    if (this.home === undefined || settings.baseUrl !== undefined) return NONE;
    const logIn = await this.logIn(settings.agent, this.home);
    if (logIn === null) return NONE;
    const keys = provider.keys.flatMap((kind) => {
      const value = wanted.includes(kind.secret) ? logIn.keys[kind.secret] : undefined;
      return value === undefined ? [] : [{ kind, name: `the log-in ${logIn.place}`, value, place: null }];
    });
    const { place, words, remedy } = logIn;
    const helps = [remedy?.words, remedy?.command && `(${remedy.command})`].filter(Boolean).join(' ');
    return {
      keys,
      fault: keys.length > 0 || remedy === null ? null : `The log-in ${place} does not do: ${words}. ${helps}`,
    };
  }

  private logIn(name: string, home: string): Promise<LogIn | null> {
    const known = this.read.get(name);
    if (known !== undefined && known.until > this.now()) return known.logIn;
    const program = AGENT_NAMES.includes(name) ? agent(name).program : undefined;
    const logIn = program === undefined ? Promise.resolve(null) : readLogIn(program, home, this.now());
    this.read.set(name, { until: this.now() + FRESH_MS, logIn });
    return logIn;
  }
}
