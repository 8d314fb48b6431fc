import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { CheckSummary, PullRequestState, ReviewSummary } from '@capstan/domain';
import type { AttentionJson } from './json.js';

/** Owner: pr-watcher. */
@Entity('pull_request')
export class PullRequest {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('uuid')
  repositoryId!: string;
  @Column('uuid')
  taskId!: string;
  @Column('uuid')
  runId!: string;
  @Column('int')
  generation!: number;
  @Column('text')
  branch!: string;
  @Column('text')
  baseBranch!: string;
  @Column('text')
  title!: string;
  @Column('int', { nullable: true })
  number!: number | null;
  @Column('text', { nullable: true })
  url!: string | null;
  @Column('text')
  state!: PullRequestState;
  @Column('text', { nullable: true })
  headSha!: string | null;
  @Column('timestamptz', { nullable: true })
  headSeenAt!: Date | null;
  @Column('text', { nullable: true })
  pushedSha!: string | null;
  @Column('jsonb', { nullable: true })
  refusal!: AttentionJson | null;
  @Column('text', { nullable: true })
  decision!: string | null;
  @Column('text')
  checks!: CheckSummary;
  @Column('text')
  reviews!: ReviewSummary;
  @Column('text', { nullable: true })
  mergeable!: string | null;
  @Column('timestamptz', { nullable: true })
  openedAt!: Date | null;
  @Column('timestamptz', { nullable: true })
  mergedAt!: Date | null;
  @Column('text', { nullable: true })
  mergeCommit!: string | null;
  @Column('timestamptz', { nullable: true })
  closedAt!: Date | null;
  @Column('text', { nullable: true })
  closedBy!: string | null;
  @Column('timestamptz', { nullable: true })
  lastCheckedAt!: Date | null;
  @Column('timestamptz')
  nextCheckAt!: Date;
  /** When the last whole look at the forge began. */
  @Column('timestamptz', { nullable: true })
  lookedAt!: Date | null;
  /** When it last changed, says the forge's clock, as that look saw it. */
  @Column('timestamptz', { nullable: true })
  seenUpdatedAt!: Date | null;
  /** The look of this very time may be a glance. Who wants a whole one moves `nextCheckAt`, or clears this. */
  @Column('timestamptz', { nullable: true })
  glanceAt!: Date | null;
  /** When a delivery was last about it. */
  @Column('timestamptz', { nullable: true })
  toldAt!: Date | null;
  /** When a look last found a change that no delivery had told of. */
  @Column('timestamptz', { nullable: true })
  untoldAt!: Date | null;
  /** A replica is looking at it until then. */
  @Column('timestamptz', { nullable: true })
  claimedUntil!: Date | null;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('int')
  attempts!: number;
  @Column('text', { nullable: true })
  lastError!: string | null;
  @Column('text', { nullable: true })
  lastErrorCode!: string | null;
  @Column('timestamptz', { nullable: true })
  parkedAt!: Date | null;
  @Column('int')
  version!: number;
}

/** Owner: pr-watcher. */
@Entity('check')
export class Check {
  @Column('uuid')
  workspaceId!: string;
  @PrimaryColumn('uuid')
  pullRequestId!: string;
  @PrimaryColumn('text')
  name!: string;
  @PrimaryColumn('text')
  source!: string;
  @Column('text')
  state!: string;
  @Column('boolean')
  required!: boolean;
  @Column('text', { nullable: true })
  url!: string | null;
  @Column('text', { nullable: true })
  summary!: string | null;
  @Column('text')
  headSha!: string;
}

/** Owner: pr-watcher. */
@Entity('review')
export class Review {
  @Column('uuid')
  workspaceId!: string;
  @PrimaryColumn('uuid')
  pullRequestId!: string;
  @PrimaryColumn('text')
  author!: string;
  @Column('text')
  state!: string;
  @Column('text')
  body!: string;
  @Column('text', { nullable: true })
  commitSha!: string | null;
  @Column('timestamptz')
  submittedAt!: Date;
}
