import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What an agent wrote down of one run of its own, beside everything that Capstan keeps. */
export interface AgentTruth {
  readonly runId: string;
  readonly name: string;
  /** One per process that was started under this run: more than one is a second launch. */
  readonly starts: readonly { readonly at: number; readonly pid: number }[];
  /** Numbers of the lines that were printed, in order. */
  readonly lines: readonly number[];
  /** The last total that it reported. */
  readonly micros: number;
  /** Null when it never came to its end. */
  readonly end: { readonly at: number; readonly code: number } | null;
}

interface Fact {
  readonly at: number;
  readonly what: 'start' | 'line' | 'cost' | 'end';
  readonly name?: string;
  readonly pid?: number;
  readonly n?: number;
  readonly micros?: number;
  readonly code?: number;
}

/** Every run that an agent lived. A torn last line, of an agent that is writing it, is left out. */
export function readTruth(directory: string): AgentTruth[] {
  const runs = join(directory, 'runs');
  if (!existsSync(runs)) return [];
  return readdirSync(runs).map((file) => {
    const lines = readFileSync(join(runs, file), 'utf8').split('\n').slice(0, -1);
    const facts = lines.map((line) => JSON.parse(line) as Fact);
    const of = (what: Fact['what']): Fact[] => facts.filter((fact) => fact.what === what);
    const end = of('end').at(-1);
    return {
      runId: file.replace(/\.ndjson$/, ''),
      name: of('start')[0]?.name ?? '',
      starts: of('start').map(({ at, pid }) => ({ at, pid: pid ?? 0 })),
      lines: of('line').map(({ n }) => n ?? 0),
      micros: of('cost').at(-1)?.micros ?? 0,
      end: end === undefined ? null : { at: end.at, code: end.code ?? 0 },
    };
  });
}
