import type { Symptom } from '../api/types.ts';

/** The entries that hold every word of the query, in code, title, cause or remedy; all of them for an empty one. */
export function searchSymptoms(items: readonly Symptom[], query: string): readonly Symptom[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return items;
  return items.filter(({ code, title, cause, remedy, category }) => {
    const text = `${code} ${code.replaceAll('_', ' ')} ${title} ${cause} ${remedy} ${category}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
