import { readFileSync } from 'node:fs';
import type { RunExit } from '@capstan/domain';
import type { AgentAdapter, ParsedLine, ParseState } from './agent.port.js';

/** Output of a real CLI, recorded line by line in `fixtures/NAME.jsonl` beside the spec at `url`. */
export function recordedBeside(url: string): (name: string) => string[] {
  return (name) =>
    readFileSync(new URL(`./fixtures/${name}.jsonl`, url), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
}

/** What an adapter makes of lines. The state is stored between any two, as for a new runner that goes on from it. */
export function readLines(
  agent: AgentAdapter,
  lines: readonly string[],
  { stream, from }: { readonly stream: 'stdout' | 'stderr'; readonly from: ParseState },
): {
  readonly state: ParseState;
  readonly lines: readonly ParsedLine[];
  readonly kinds: readonly ParsedLine['kind'][];
} {
  const seen: ParsedLine[] = [];
  let state = from;
  for (const line of lines) {
    const step = agent.parse(state, stream, line);
    state = JSON.parse(JSON.stringify(step.state)) as ParseState;
    seen.push(...step.lines);
  }
  return { state, lines: seen, kinds: seen.map(({ kind }) => kind) };
}

/** An exit with that code; null: killed. */
export function exit(code: number | null, more: Partial<RunExit> = {}): RunExit {
  return { code, signal: code === null ? 'SIGKILL' : null, ...more };
}
