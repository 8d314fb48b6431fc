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

/** No check may take longer; a hanging one fails. ms */
const CHECK_TIMEOUT_MS = 2_000;

/** The named checks of a process. */
export class Health {
  private readonly checks = new Map<string, { readonly check: Check; readonly readiness: boolean }>();

  /**
   * Adds a check, or replaces the one of that name. What it throws is a failure too.
   * @returns takes the check away.
   */
  add(name: string, check: Check, { readiness = true }: CheckOptions = {}): () => void {
    const entry = { check, readiness };
    this.checks.set(name, entry);
    return () => {
      if (this.checks.get(name) === entry) this.checks.delete(name);
    };
  }

  /** Runs all checks side by side; takes 2 s at most and never throws. */
  async report(): Promise<HealthReport> {
    const entries = [...this.checks];
    const checks = await Promise.all(entries.map(([name, { check }]) => run(name, check)));
    const failing = entries.filter((_, index) => checks[index]?.status === 'failing');
    const status = failing.some(([, { readiness }]) => readiness) ? 'failing' : failing.length > 0 ? 'degraded' : 'ok';
    return { status, checks };
  }
}

async function run(name: string, check: Check): Promise<CheckResult> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<CheckFault>((resolve) => {
    timer = setTimeout(
      () => resolve({ code: 'check_timeout', reason: `no answer within ${CHECK_TIMEOUT_MS} ms` }),
      CHECK_TIMEOUT_MS,
    );
  });
  try {
    const fault = await Promise.race([Promise.resolve().then(check), timeout]);
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
