import { NO_CHECKS_GRACE_MS, type CheckSummary, type ReviewSummary } from '@capstan/domain';
import type { ForgeCheck, ForgePullRequest, ForgeReview, PullRequestView } from '@capstan/forges';

/** What the agent is told about red checks, bytes. */
const MAX_DETAIL_BYTES = 8_192;

/** One word for everything that was reported on the head. Green never comes from what is missing or unreadable. */
export function summarizeChecks({ checks, missingRequired }: PullRequestView): CheckSummary {
  if (!checks.known) return 'unknown';
  if (checks.value.some(({ state }) => state === 'failure')) return 'red';
  if (!missingRequired.known) return 'unknown';
  if (checks.value.some(({ state }) => state === 'pending') || missingRequired.value.length > 0) return 'pending';
  return checks.value.length === 0 ? 'none' : 'green';
}

export function mergeableWord({ mergeable, mergeableState }: ForgePullRequest): string {
  return mergeable === null ? 'unknown' : mergeableState;
}

export interface ReviewFacts {
  readonly summary: ReviewSummary;
  /** Approvals of the judged head by people with a say in the repository. */
  readonly approvals: number;
  /** Refusals of the judged head. */
  readonly refusals: readonly ForgeReview[];
  /** People whose refusal of an older head stands until they look again. */
  readonly awaited: readonly string[];
}

/** One word for what people said about the head. */
export function summarizeReviews(view: PullRequestView, requiredApprovals: number): ReviewFacts {
  const { reviews, pullRequest } = view;
  if (!reviews.known) return { summary: 'unknown', approvals: 0, refusals: [], awaited: [] };
  const ofHead = ({ commitSha }: ForgeReview) => commitSha === null || commitSha === pullRequest.headSha;
  const refused = reviews.value.filter(({ state, trusted }) => state === 'changes_requested' && trusted !== false);
  const refusals = refused.filter(ofHead);
  const awaited = refused.filter((review) => !ofHead(review)).map(({ author }) => author);
  const approvals = reviews.value.filter(
    ({ state, trusted, commitSha }) => state === 'approved' && trusted === true && commitSha === pullRequest.headSha,
  ).length;
  const facts = { approvals, refusals, awaited };
  if (refusals.length > 0) return { summary: 'changes_requested', ...facts };
  if (awaited.length > 0 || approvals < requiredApprovals) return { summary: 'pending', ...facts };
  return { summary: approvals > 0 ? 'approved' : 'none', ...facts };
}

/** The failing checks for the agent to read: the head first, then each one's name and the end of its words. */
export function failedChecksDetail(headSha: string, checks: readonly ForgeCheck[]): string {
  const failed = checks.filter(({ state }) => state === 'failure');
  const intro = `${headSha} failing checks: ${failed.map(({ name }) => name).join(', ')}`.slice(
    0,
    MAX_DETAIL_BYTES / 4,
  );
  const each = Math.floor((MAX_DETAIL_BYTES - Buffer.byteLength(intro)) / Math.max(failed.length, 1));
  const parts = failed.map(({ name, url, summary }) => {
    const title = `\n\n## ${name}${url === null ? '' : ` (${url})`}\n`;
    return endOf(`${title}${summary ?? 'It gave no words.'}`, each, title);
  });
  return startOf(intro + parts.join(''), MAX_DETAIL_BYTES);
}

function startOf(text: string, bytes: number): string {
  const buffer = Buffer.from(text);
  return buffer.length <= bytes
    ? text
    : buffer
        .subarray(0, bytes)
        .toString()
        .replace(/\uFFFD+$/, '');
}

function endOf(text: string, bytes: number, title: string): string {
  const buffer = Buffer.from(text);
  if (buffer.length <= bytes) return text;
  const room = Math.max(bytes - Buffer.byteLength(title), 0);
  return room === 0
    ? ''
    : title +
        buffer
          .subarray(buffer.length - room)
          .toString()
          .replace(/^\uFFFD+/, '');
}

/** Whether checks may still appear on a head that has none. */
export function checksMayStillCome(now: Date, headSeenAt: Date | null): boolean {
  return headSeenAt === null || now.getTime() - headSeenAt.getTime() < NO_CHECKS_GRACE_MS;
}
