import type { ForgeCheck } from '../forge.port.js';

type CheckState = ForgeCheck['state'];

/** A check run, as far as Capstan reads it. */
export interface CheckRun {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly conclusion: string | null;
  readonly appId: number | null;
  readonly suiteId: number | null;
  readonly url: string | null;
  readonly output: readonly (string | null | undefined)[];
}
export interface CommitStatus {
  readonly context: string;
  readonly state: string;
  readonly description: string | null;
  readonly url: string | null;
}
/** A check that must succeed; of that app, where one is named. */
export interface RequiredCheck {
  readonly name: string;
  readonly appId: number | null;
}

const MAX_SUMMARY_BYTES = 4_096;
/** From worst to best. */
const WORST_FIRST: readonly CheckState[] = ['failure', 'pending', 'success', 'neutral', 'skipped'];
/** Ends that say nothing about the code: a newer run of the same check and app replaces them. */
const SUPERSEDED = new Set(['cancelled', 'stale', 'skipped']);

/**
 * Folds everything that was reported on a commit. In one suite the latest run of a name counts. A workflow that started
 * twice (for a push and for a pull request) has two suites: both count, unless the older was cancelled or skipped.
 */
export function foldChecks(
  runs: readonly CheckRun[],
  statuses: readonly CommitStatus[],
  required: readonly RequiredCheck[],
): { readonly checks: readonly ForgeCheck[]; readonly missing: readonly string[] } {
  const counting = countingRuns(runs);
  const requiredNames = new Set(required.map(({ name }) => name));
  const reports: ForgeCheck[] = [
    ...counting.map((run) => ({
      name: run.name,
      source: 'check_run' as const,
      state: runState(run),
      required: requiredNames.has(run.name),
      url: run.url,
      summary: endOf(run.output.filter(Boolean).join('\n\n')),
    })),
    ...statuses.map((status) => ({
      name: status.context,
      source: 'status' as const,
      state: statusState(status.state),
      required: requiredNames.has(status.context),
      url: status.url,
      summary: endOf(status.description ?? ''),
    })),
  ];
  const reported = ({ name, appId }: RequiredCheck) =>
    counting.some((run) => run.name === name && (appId === null || run.appId === appId)) ||
    statuses.some(({ context }) => context === name);
  return {
    checks: worstByName(reports),
    missing: [...new Set(required.filter((check) => !reported(check)).map(({ name }) => name))].sort(),
  };
}

function countingRuns(runs: readonly CheckRun[]): readonly CheckRun[] {
  const newestFirst = [...runs].sort((a, b) => b.id - a.id);
  const suites = new Set<string>();
  const apps = new Set<string>();
  return newestFirst.filter((run) => {
    const app = JSON.stringify([run.name, run.appId]);
    const suite = JSON.stringify([run.name, run.appId, run.suiteId]);
    if (suites.has(suite)) return false;
    suites.add(suite);
    const replaced = apps.has(app) && SUPERSEDED.has(run.conclusion ?? '');
    apps.add(app);
    return !replaced;
  });
}

function worstByName(reports: readonly ForgeCheck[]): readonly ForgeCheck[] {
  const worst = new Map<string, ForgeCheck>();
  for (const report of reports) {
    const key = JSON.stringify([report.source, report.name]);
    const other = worst.get(key);
    if (!other || WORST_FIRST.indexOf(report.state) < WORST_FIRST.indexOf(other.state)) worst.set(key, report);
  }
  return [...worst.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** A conclusion that isn't known is a failure: unknown must never look green. */
function runState({ status, conclusion }: CheckRun): CheckState {
  if (status !== 'completed') return 'pending';
  if (conclusion === 'success' || conclusion === 'neutral' || conclusion === 'skipped') return conclusion;
  return 'failure';
}

function statusState(state: string): CheckState {
  if (state === 'success' || state === 'pending') return state;
  return 'failure';
}

/** The end of a text, at most 4 KB, without a torn character. */
function endOf(text: string): string | null {
  // Postgres can't hold NUL, and a test's output may well contain it.
  const bytes = Buffer.from(text.replaceAll('\0', '').trim());
  if (bytes.length === 0) return null;
  let start = Math.max(bytes.length - MAX_SUMMARY_BYTES, 0);
  while (start > 0 && (bytes[start]! & 0xc0) === 0x80) start += 1;
  return bytes.subarray(start).toString();
}
