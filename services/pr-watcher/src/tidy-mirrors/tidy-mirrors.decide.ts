import { unreachable, type Id } from '@capstan/domain';

/** A mirror as it lies on the disk, and who needs it. */
export interface MirrorSight {
  readonly repositoryId: Id;
  readonly bytes: number;
  /** What it had when it was measured first, after its first fetch; null before. */
  readonly firstBytes: number | null;
  /** Whether anything was fetched into it yet. */
  readonly filled: boolean;
  /** The repository is there and not archived. */
  readonly wanted: boolean;
  /** An unfinished task's commits may lie in it alone: checked, and not pushed yet. */
  readonly publishing: boolean;
}

/** `measure`: from here on its growth counts · `renew`: the next use makes it anew · `remove`: nobody will use it. */
export type MirrorStep = 'keep' | 'measure' | 'renew' | 'remove';

/** A mirror below this is never made anew: fetching it again would cost more than it frees. */
export const SMALL_MIRROR_BYTES = 64 * 1_048_576;
/** How often its first size it may have. */
const MOST_GROWTH = 2;

/**
 * Git never takes back what was fetched into a partial clone, so a mirror that has doubled is made anew. That each
 * doubling costs one fetch of what is needed now keeps the cost of all of them below that of the growth itself.
 */
export function decideMirror(mirror: MirrorSight): MirrorStep {
  if (mirror.publishing) return 'keep';
  if (!mirror.wanted) return 'remove';
  if (mirror.firstBytes === null) return mirror.filled ? 'measure' : 'keep';
  return mirror.bytes > Math.max(SMALL_MIRROR_BYTES, MOST_GROWTH * mirror.firstBytes) ? 'renew' : 'keep';
}

/** Whether a step takes the mirror away. */
export function takesAway(step: MirrorStep): boolean {
  switch (step) {
    case 'renew':
    case 'remove':
      return true;
    case 'keep':
    case 'measure':
      return false;
    default:
      return unreachable(step);
  }
}
