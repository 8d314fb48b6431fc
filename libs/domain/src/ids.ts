/** UUIDv7 in its canonical form. */
export type Id = string;

/**
 * Builds a UUIDv7 (RFC 9562 §5.7). Ids made in the same millisecond order by their random part.
 * @param nowMs Unix time in milliseconds.
 * @param random at least 10 random bytes.
 */
export function uuidv7(nowMs: number, random: Uint8Array): Id {
  const bytes = new Uint8Array(16);
  let time = nowMs;
  for (let index = 5; index >= 0; index -= 1) {
    bytes[index] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes.set(random.subarray(0, 10), 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The last 8 characters: the random end, because a UUIDv7's start only turns over every 65 s. */
export function shortId(id: Id): string {
  return id.slice(-8);
}

/** Lower-case words joined by dashes, at most `max` characters, never empty. */
export function slugify(text: string, max = 40): string {
  const slug = text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return slug.slice(0, max).replace(/-+$/, '') || 'task';
}

/**
 * The branch that a task's work lives on: `capstan/<short>-<slug>`, with `-2`, `-3` … after each force-redo.
 * @param generation 1 for the first life of the task.
 */
export function branchName(taskId: Id, title: string, generation = 1): string {
  const base = `capstan/${shortId(taskId)}-${slugify(title)}`;
  return generation > 1 ? `${base}-${generation}` : base;
}
