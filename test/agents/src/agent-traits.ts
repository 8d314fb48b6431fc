import type { Step } from '@capstan/test-support/agents';

/** What differs between the programs in what the port of agents promises. Where one has none of it, it says why. */
export interface AgentTraits {
  /** A call that fails, for whatever the program itself knows to be a failure. */
  readonly failingCall: Step;
  /** Which limit binds it, and what Capstan calls that. */
  readonly limit: {
    readonly limits: Readonly<Record<string, number>>;
    readonly symptom: string;
    /** Why it isn't `maxTurns`. */
    readonly because?: string;
  };
  /** Whether it ends its turn when it is told to; else why not. */
  readonly interrupt: true | { readonly because: string };
}

const FAILING_SHELL = 'echo before && echo broken >&2 && exit 3';
const TURNS = { limits: { maxTurns: 3 }, symptom: 'turn_limit' };
const DEAF = { because: 'it reads its input to the end before it starts, and a signal ends it' };

export const AGENT_TRAITS: Readonly<Record<string, AgentTraits>> = {
  'claude-code': { failingCall: FAILING_SHELL, limit: TURNS, interrupt: true },
  codex: {
    failingCall: FAILING_SHELL,
    limit: {
      limits: { maxRunMinutes: 1 },
      symptom: 'run_time_limit',
      because: 'it tells no turns, and what an endpoint of one’s own costs nobody knows',
    },
    interrupt: DEAF,
  },
  opencode: { failingCall: FAILING_SHELL, limit: TURNS, interrupt: DEAF },
  gemini: {
    // A command that fails is a success to it: only the text says with which code it ended.
    failingCall: { tool: 'read_file', input: { file_path: 'there-is-none.txt', absolute_path: '/there-is-none.txt' } },
    limit: TURNS,
    interrupt: { because: 'it reads its input to the end before it starts, and ignores an interrupt' },
  },
  copilot: { failingCall: FAILING_SHELL, limit: TURNS, interrupt: DEAF },
};
