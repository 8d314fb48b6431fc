import type { Tone } from '#lib/words.ts';

/** Whole class names, so that Tailwind finds them. */
export const TONE_TEXT: Readonly<Record<Tone, string>> = {
  queued: 'text-queued',
  working: 'text-working',
  needs: 'text-needs',
  failed: 'text-failed',
  review: 'text-review',
  done: 'text-done',
};

export const TONE_SOFT: Readonly<Record<Tone, string>> = {
  queued: 'bg-sunken text-ink-2',
  working: 'bg-accent-soft text-working',
  needs: 'bg-needs-soft text-needs',
  failed: 'bg-failed-soft text-failed',
  review: 'bg-review-soft text-review',
  done: 'bg-done-soft text-done',
};

export const TONE_BORDER: Readonly<Record<Tone, string>> = {
  queued: 'border-queued',
  working: 'border-working',
  needs: 'border-needs',
  failed: 'border-failed',
  review: 'border-review',
  done: 'border-done',
};
