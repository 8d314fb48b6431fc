import { violation, type Violation } from '../violation.js';
import type { World } from '../world.js';

const LAW = 'every line that an agent printed is stored once and in order';

export function logs({ agents, database, takenLives }: World): Violation[] {
  const stored = new Map(database.logs.map((log) => [log.runId, log]));
  const heads = new Map(database.runs.map(({ id, logSequence }) => [id, logSequence]));
  return [
    ...agents.flatMap(({ runId, name, lines }) => {
      const said = lines.map((n) => `${name} line ${n}`);
      const texts = stored.get(runId)?.texts ?? [];
      // An agent that was killed between a line and its own note of it has printed one more than it knows of.
      if (takenLives.includes(runId) && texts.length === said.length + 1) said.push(`${name} line ${said.length + 1}`);
      const at = said.findIndex((text, index) => texts[index] !== text);
      if (at === -1 && texts.length === said.length) return [];
      const first = at === -1 ? said.length : at;
      const evidence = { printed: said.slice(first, first + 5), stored: texts.slice(first, first + 5) };
      const what = `run ${runId} of ${name}: ${said.length} lines printed, ${texts.length} stored; they part at line ${first + 1}`;
      return [violation(LAW, what, evidence)];
    }),
    ...database.logs.flatMap(({ runId, sequences }) => {
      const gap = sequences.findIndex((sequence, index) => sequence !== index + 1);
      if (gap !== -1)
        return [violation(LAW, `run ${runId} has a hole in its numbers`, { after: gap, then: sequences[gap] })];
      const head = heads.get(runId);
      if (head === sequences.length) return [];
      return [violation(LAW, `run ${runId} says that it has ${head} lines and has ${sequences.length}`, { runId })];
    }),
  ];
}
