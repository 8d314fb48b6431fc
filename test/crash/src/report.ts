import type { CrashReport } from './run.js';
import { grouped } from './auditor/violation.js';

const EVIDENCE_CHARACTERS = 2_500;

/** The summary as people read it: what was done, what came of it, and what doesn't hold. */
export function render(report: CrashReport): string {
  const { seed, tasks, replicas, seconds, endStates, actions, restarts, faultPoints, traceLines, violations } = report;
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  return [
    '',
    `Tasks:      ${tasks} (${list(endStates)})`,
    `Adversary:  ${list(actions) || 'did nothing'}`,
    `Points:     ${faultPoints.fired.length} deaths at fault points; never at ${faultPoints.never.join(', ') || 'none'}`,
    `Hosts:      ${replicas} of each service, started again ${restarts} times`,
    `Trace:      ${traceLines} changes of tasks, runs and effects`,
    `Time:       ${seconds} s`,
    ...[...grouped(violations, ({ law }) => law)].flatMap(([law, those]) => [
      '',
      `BROKEN: ${law}`,
      ...those.flatMap(({ what, evidence }) => [
        `  ${what}`,
        `    ${(JSON.stringify(evidence) ?? '').slice(0, EVIDENCE_CHARACTERS)}`,
      ]),
    ]),
    '',
    violations.length === 0
      ? `Nothing was lost, and nothing came twice. CAPSTAN_CRASH_SEED=${seed}`
      : `${violations.length} violations. Repeat with CAPSTAN_CRASH_SEED=${seed} CAPSTAN_CRASH_TASKS=${tasks}`,
  ].join('\n');
}
