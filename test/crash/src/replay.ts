import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Replay, tellViolation } from '@capstan/model';
import type { Violation } from './auditor/violation.js';

/** As many are told: a step that the model doesn't allow is mostly followed by others. */
const MOST_TOLD = 20;

/** Steps of a written trace that the model of task, run, lease and effect doesn't allow. */
export async function replayed(file: string, limits: { readonly maxConcurrent: number }): Promise<Violation[]> {
  const replay = new Replay(limits);
  const violations: Violation[] = [];
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    const violation = replay.line(line);
    if (violation === null || violations.length >= MOST_TOLD) continue;
    violations.push({
      law: 'every step is one that the model allows',
      what: tellViolation(violation),
      evidence: violation,
    });
  }
  return violations;
}
