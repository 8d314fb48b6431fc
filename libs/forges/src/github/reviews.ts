import type { ForgeReview } from '../forge.port.js';

/** A review, as far as Capstan reads it. */
export interface GitHubReview {
  readonly user: { readonly login: string } | null;
  readonly state: string;
  readonly body: string;
  readonly commit_id: string | null;
  readonly submitted_at?: string | undefined;
  readonly author_association: string;
}

const STATES: Readonly<Record<string, ForgeReview['state']>> = {
  APPROVED: 'approved',
  CHANGES_REQUESTED: 'changes_requested',
  COMMENTED: 'commented',
  DISMISSED: 'dismissed',
};
const TRUSTED = new Set(['OWNER', 'MEMBER', 'COLLABORATOR']);

/** Of each author the latest review that counts: a comment doesn't take an approval or a refusal back. */
export function countingReviews(reviews: readonly GitHubReview[]): readonly ForgeReview[] {
  const byAuthor = new Map<string, ForgeReview>();
  for (const review of reviews) {
    const state = STATES[review.state];
    // A pending review is a draft that only its author sees.
    if (!state) continue;
    const author = review.user?.login ?? 'ghost';
    const earlier = byAuthor.get(author);
    if (state === 'commented' && earlier && earlier.state !== 'commented') continue;
    byAuthor.set(author, {
      author,
      state,
      body: review.body,
      commitSha: review.commit_id,
      submittedAt: review.submitted_at ?? new Date(0).toISOString(),
      trusted: TRUSTED.has(review.author_association),
    });
  }
  return [...byAuthor.values()];
}
