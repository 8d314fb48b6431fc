import { errorText, isSymptomCode, symptomOf, type SymptomCode } from '@capstan/domain';

/** A failing check names its symptom and says why; `remedy` says what helps, else the registry does. */
export interface CheckFault {
  readonly code: SymptomCode;
  readonly reason: string;
  readonly remedy?: string;
}

export interface CheckOptions {
  /** Whether this process should get no requests while the check fails. Default true; else it is shown only. */
  readonly readiness?: boolean;
  /** What it checks was seen to work just now. Default false. */
  readonly fine?: boolean;
}

export interface CheckResult {
  readonly name: string;
  readonly status: 'ok' | 'failing';
  /** Code in the symptom registry; missing for what nobody expected. */
  readonly code?: SymptomCode;
  readonly reason?: string;
  readonly remedy?: string;
}

export interface HealthReport {
  /** `degraded`: it works, slower or in part; `failing`: it should get no requests. */
  readonly status: 'ok' | 'degraded' | 'failing';
  readonly checks: readonly CheckResult[];
}

type Check = () => CheckFault | null | Promise<CheckFault | null>;

/** No check may take longer. ms */
const CHECK_TIMEOUT_MS = 2_000;

/** A check that gave no answer in time fails when its last good one is older: a busy machine is no outage. ms */
const LATE_MS = 10_000;

interface Entry {
  readonly check: Check;
  readonly readiness: boolean;
  /** Of the last good answer, monotonic; null before the first. */
  fineAt: number | null;
}

/** The named checks of a process. */
export class Health {
  private readonly checks = new Map<string, Entry>();

  /**
   * Adds a check, or replaces the one of that name. What it throws is a failure too.
   * @returns takes the check away.
   */
  add(name: string, check: Check, { readiness = true, fine = false }: CheckOptions = {}): () => void {
    const entry: Entry = { check, readiness, fineAt: fine ? performance.now() : null };
    this.checks.set(name, entry);
    return () => {
      if (this.checks.get(name) === entry) this.checks.delete(name);
    };
  }

  /** Runs all checks side by side; takes 2 s at most and never throws. */
  async report(): Promise<HealthReport> {
    const entries = [...this.checks];
    const checks = await Promise.all(entries.map(([name, entry]) => run(name, entry)));
    const failing = entries.filter((_, index) => checks[index]?.status === 'failing');
    const status = failing.some(([, { readiness }]) => readiness) ? 'failing' : failing.length > 0 ? 'degraded' : 'ok';
    return { status, checks };
  }
}

async function run(name: string, entry: Entry): Promise<CheckResult> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<CheckFault | 'late'>((resolve) => {
    timer = setTimeout(
      () =>
        resolve(
          entry.fineAt !== null && performance.now() - entry.fineAt < LATE_MS
            ? 'late'
            : { code: 'check_timeout', reason: `no answer within ${CHECK_TIMEOUT_MS} ms` },
        ),
      CHECK_TIMEOUT_MS,
    );
  });
  try {
    const fault = await Promise.race([Promise.resolve().then(entry.check), timeout]);
    if (fault === 'late')
      return {
        name,
        status: 'ok',
        reason: `no answer within ${CHECK_TIMEOUT_MS} ms, though a good one shortly before`,
      };
    if (fault === null) entry.fineAt = performance.now();
    return fault === null
      ? { name, status: 'ok' }
      : { name, status: 'failing', remedy: symptomOf(fault.code).remedy, ...fault };
  } catch (error) {
    const { code, remedy } = error as { code?: unknown; remedy?: unknown };
    return {
      name,
      status: 'failing',
      ...(typeof code === 'string' && isSymptomCode(code) ? { code } : {}),
      reason: errorText(error),
      ...(typeof remedy === 'string' ? { remedy } : {}),
    };
  } finally {
    clearTimeout(timer);
  }
}
