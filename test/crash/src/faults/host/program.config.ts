import { z } from 'zod';

/** What the crash suite tells a host's process besides everything that Capstan reads. */
export const FAULT_DIRECTORY = 'CAPSTAN_FAULT_DIR';
export const CLOCK_SHIFT = 'CAPSTAN_FAULT_CLOCK_MS';
export const BROKEN_BUILD = 'CAPSTAN_FAULT_BUILD';

const Environment = z.object({
  /** Where points are armed; absent: none ever is. */
  [FAULT_DIRECTORY]: z.string().min(1).optional(),
  /** How far the wall clock is off, ms. */
  [CLOCK_SHIFT]: z.coerce.number().int().default(0),
  /** Name of a broken build. */
  [BROKEN_BUILD]: z.string().min(1).optional(),
  CAPSTAN_SERVICES: z.string().min(1),
});

export interface ProgramConfig {
  readonly service: string;
  readonly faultDirectory: string | null;
  readonly clockShiftMs: number;
  readonly brokenBuild: string | null;
}

/** Read once, and taken out of the environment: what a host starts isn't the suite's business. @throws ZodError */
export function programConfig(): ProgramConfig {
  const values = Environment.parse(process.env);
  for (const name of [FAULT_DIRECTORY, CLOCK_SHIFT, BROKEN_BUILD]) delete process.env[name];
  return {
    service: values.CAPSTAN_SERVICES,
    faultDirectory: values[FAULT_DIRECTORY] ?? null,
    clockShiftMs: values[CLOCK_SHIFT],
    brokenBuild: values[BROKEN_BUILD] ?? null,
  };
}
