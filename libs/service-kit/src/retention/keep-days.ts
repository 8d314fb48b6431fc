import { integer } from '../config/base.js';

const MAX_DAYS = 3_650;
export const DAY_MS = 86_400_000;

/** A period of retention: whole days, at least one. @param what is kept, for people. */
export function keepDays(fallback: number, what: string) {
  return integer({ min: 1, max: MAX_DAYS })
    .default(fallback)
    .meta({ description: `Days that ${what} are kept` });
}
