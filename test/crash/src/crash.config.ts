import { join } from 'node:path';
import { ROOT } from '@capstan/test-support';
import { z } from 'zod';

const Environment = z.object({
  /** How many tasks arrive. */
  CAPSTAN_CRASH_TASKS: z.coerce.number().int().min(1).max(10_000).default(30),
  /** Repeats a run: the same tasks, the same schedule. Default: any. */
  CAPSTAN_CRASH_SEED: z.coerce.number().int().min(0).max(4_294_967_295).optional(),
  /** Replicas of every service. */
  CAPSTAN_CRASH_REPLICAS: z.coerce.number().int().min(1).max(4).default(2),
  /** Where everything goes; emptied at the start. */
  CAPSTAN_CRASH_DIR: z
    .string()
    .min(1)
    .default(join(ROOT, '.data', 'crash')),
  /** Comma-separated names: only these actions; `none` for a quiet run. */
  CAPSTAN_CRASH_ACTIONS: z.string().optional(),
  /** The report as JSON goes here, too. */
  CAPSTAN_CRASH_REPORT: z.string().optional(),
  /** Program of the hosts; default: one that can die at fault points. */
  CAPSTAN_CRASH_HOST: z.string().optional(),
});

export interface CrashConfig {
  readonly tasks: number;
  readonly seed: number;
  readonly replicas: number;
  readonly dataDir: string;
  /** Null: all. */
  readonly actions: readonly string[] | null;
  readonly reportFile: string | null;
  readonly hostEntry: string | null;
  /** Null: what was built, as it is. */
  readonly brokenBuild: string | null;
  /** Agents wait at least this long after each line. */
  readonly lineEveryMs: number;
}

/** What the suite reads from the environment. @throws ZodError. */
export function crashConfig(): CrashConfig {
  const values = Environment.parse(process.env);
  const actions = values.CAPSTAN_CRASH_ACTIONS?.split(',').map((name) => name.trim());
  return {
    tasks: values.CAPSTAN_CRASH_TASKS,
    seed: values.CAPSTAN_CRASH_SEED ?? Math.floor(Math.random() * 4_294_967_296),
    replicas: values.CAPSTAN_CRASH_REPLICAS,
    dataDir: values.CAPSTAN_CRASH_DIR,
    actions: actions === undefined ? null : actions.filter((name) => name !== 'none' && name !== ''),
    reportFile: values.CAPSTAN_CRASH_REPORT ?? null,
    hostEntry: values.CAPSTAN_CRASH_HOST ?? null,
    brokenBuild: null,
    lineEveryMs: 0,
  };
}
