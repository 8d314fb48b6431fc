import { z } from 'zod';
import type { LfsPlace } from './lfs-ticket.js';

/** One question for objects: LFS clients ask for a hundred at a time. Bytes. */
export const MAX_BATCH_BYTES = 1_048_576;
/** One answer: with signed addresses some hundred times as long. Bytes. */
export const MAX_BATCH_ANSWER_BYTES = 8 * 1_048_576;

const ASKED = z.object({ operation: z.literal('download') });
const OBJECT = z.looseObject({
  oid: z.string().regex(/^[0-9a-f]{64}$/),
  actions: z
    .looseObject({
      download: z.looseObject({ href: z.string(), header: z.record(z.string(), z.string()).default({}) }).optional(),
    })
    .optional(),
});
const ANSWER = z.looseObject({ objects: z.array(OBJECT) });

/** Whether a batch asks for downloads and nothing else. */
export function isDownload(body: string): boolean {
  return ASKED.safeParse(json(body)).success;
}

/**
 * The forge's answer with addresses at the door in place of its own, whose signatures would open the objects to anybody.
 * Null for an answer that isn't one of LFS.
 */
export function throughDoor(
  body: string,
  at: {
    readonly base: string;
    readonly authorization: string;
    readonly seal: (place: Pick<LfsPlace, 'href' | 'header'>) => string;
  },
): string | null {
  const answer = ANSWER.safeParse(json(body));
  if (!answer.success) return null;
  const objects = answer.data.objects.map(({ actions, ...object }) => {
    const download = actions?.download;
    if (download === undefined) return object;
    const { href, header, ...rest } = download;
    const door = `${at.base}/info/lfs/objects/${object.oid}?ticket=${at.seal({ href, header })}`;
    return { ...object, actions: { download: { ...rest, href: door, header: { Authorization: at.authorization } } } };
  });
  return JSON.stringify({ ...answer.data, objects });
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // whoever asks for a shape finds none
  }
}
