import { YARDSTICKS, type RatioKey } from './aims.js';
import type { Ratio } from './report.js';

/** A ratio that is worse than what is kept by more than this share is told. */
export const TOLERANCE = 0.25;

/** Fewer rounds of smaller things give other ratios: each form is compared with its own. */
export type Form = 'full' | 'quick';
export type KeptRatios = Readonly<Record<Form, Readonly<Partial<Record<RatioKey, number>>>>>;

export interface Compared {
  readonly key: RatioKey;
  readonly now: number;
  /** Null where none is kept yet. */
  readonly kept: number | null;
  /** Share by which it is worse than the kept one; negative where it is better. */
  readonly worseBy: number;
  readonly isWorse: boolean;
}

/**
 * The regression file's contents.
 * @throws TypeError that names the first thing which is not as this program writes it.
 */
export function parseKept(text: string): KeptRatios {
  const read: unknown = JSON.parse(text);
  return { full: section(read, 'full'), quick: section(read, 'quick') };
}

function section(read: unknown, form: Form): Partial<Record<RatioKey, number>> {
  const given: unknown =
    typeof read === 'object' && read !== null ? (read as Record<string, unknown>)[form] : undefined;
  if (typeof given !== 'object' || given === null) throw new TypeError(`regression file: no object "${form}"`);
  const kept: Partial<Record<RatioKey, number>> = {};
  for (const [key, value] of Object.entries(given)) {
    if (!isRatioKey(key)) throw new TypeError(`regression file: ${form} has no ratio "${key}"`);
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
      throw new TypeError(`regression file: ${form}.${key} must be a positive number, not ${JSON.stringify(value)}`);
    kept[key] = value;
  }
  return kept;
}

function isRatioKey(key: string): key is RatioKey {
  return Object.hasOwn(YARDSTICKS, key);
}

export function valueOf({ ours, yardstick }: Ratio): number {
  return ours / yardstick;
}

export function compare(ratios: readonly Ratio[], kept: KeptRatios[Form]): readonly Compared[] {
  return ratios.map((ratio) => {
    const now = valueOf(ratio);
    const before = kept[ratio.key] ?? null;
    if (before === null) return { key: ratio.key, now, kept: null, worseBy: 0, isWorse: false };
    const worseBy = YARDSTICKS[ratio.key].better === 'lower' ? now / before - 1 : before / now - 1;
    return { key: ratio.key, now, kept: before, worseBy, isWorse: worseBy > TOLERANCE };
  });
}

/** What is kept with these ratios in place of their former ones; what wasn't measured stays. */
export function withRatios(kept: KeptRatios, form: Form, ratios: readonly Ratio[]): KeptRatios {
  const measured = Object.fromEntries(ratios.map((ratio) => [ratio.key, significant(valueOf(ratio))]));
  const merged: Readonly<Partial<Record<RatioKey, number>>> = { ...kept[form], ...measured };
  const known = Object.keys(YARDSTICKS).filter(isRatioKey);
  const inOrder = known.flatMap((key) => (merged[key] === undefined ? [] : [[key, merged[key]]]));
  return { ...kept, [form]: Object.fromEntries(inOrder) };
}

export function writeKept(kept: KeptRatios): string {
  return `${JSON.stringify(kept, null, 2)}\n`;
}

/** For people: one line each, and one that sums up. */
export function renderCompared(compared: readonly Compared[]): string {
  const lines = compared.map(({ key, now, kept, worseBy, isWorse }) => {
    const { what } = YARDSTICKS[key];
    if (kept === null) return `  ${key}: ${significant(now)}, none kept yet (${what})`;
    const change = `${Math.abs(Math.round(worseBy * 100))} % ${worseBy > 0 ? 'worse' : 'better'}`;
    return `  ${isWorse ? 'WORSE ' : ''}${key}: ${significant(now)}, kept ${kept}, ${change} (${what})`;
  });
  return [...lines, sumUp(compared)].join('\n');
}

function sumUp(compared: readonly Compared[]): string {
  const worse = compared.filter(({ isWorse }) => isWorse);
  if (worse.length > 0) {
    const said = worse.map(({ key, now, kept }) => `${key} ${kept} → ${significant(now)}`).join(', ');
    return `Warning: worse by more than a quarter than what is kept: ${said}`;
  }
  const unknown = compared.filter(({ kept }) => kept === null).length;
  const held = compared.length - unknown;
  if (held === 0) return 'No ratio is kept yet to compare with: --update keeps those of a quiet machine.';
  return `No ratio of ${held} is worse by more than a quarter${unknown > 0 ? `; ${unknown} are not kept yet` : ''}.`;
}

/** Three significant digits: what is kept should change when it changes, and not each time. */
function significant(value: number): number {
  return Number(value.toPrecision(3));
}
