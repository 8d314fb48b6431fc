import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Isolation, PodHealthKind, PodState, RuntimeKind } from '@capstan/domain';
import type { AttentionJson } from './json.js';

/** Where a repository lives. Inserted by placement; updated by pod-pool alone. */
@Entity('pod')
export class Pod {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('uuid')
  repositoryId!: string;
  @Column('text')
  name!: string;
  @Column('int')
  ordinal!: number;
  @Column('text', { nullable: true })
  runtime!: RuntimeKind | null;
  @Column('text')
  state!: PodState;
  @Column('int')
  capacity!: number;
  @Column('text')
  isolation!: Isolation;
  /** Why it isn't isolated, in words. */
  @Column('text', { nullable: true })
  isolationReason!: string | null;
  @Column('jsonb', { nullable: true })
  problem!: AttentionJson | null;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('timestamptz', { nullable: true })
  readyAt!: Date | null;
  @Column('timestamptz', { nullable: true })
  idleSince!: Date | null;
  @Column('timestamptz', { nullable: true })
  deadlineAt!: Date | null;
  @Column('timestamptz', { nullable: true })
  lastSeenAt!: Date | null;
  @Column('timestamptz', { nullable: true })
  deletedAt!: Date | null;
  @Column('int')
  attempts!: number;
  @Column('timestamptz', { nullable: true })
  notBefore!: Date | null;
  @Column('text', { nullable: true })
  lastError!: string | null;
  @Column('text', { nullable: true })
  lastErrorCode!: string | null;
  @Column('timestamptz', { nullable: true })
  parkedAt!: Date | null;
  @Column('int')
  version!: number;
}

/** Owner: pod-pool. */
@Entity('pod_health_event')
export class PodHealthEvent {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('uuid')
  podId!: string;
  @Column('text')
  kind!: PodHealthKind;
  @Column('text')
  detail!: string;
  @Column('timestamptz')
  at!: Date;
}

/** Inserted by agent-runner when it makes one; removed by pod-pool. */
@Entity('worktree')
export class Worktree {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('uuid')
  taskId!: string;
  @Column('uuid')
  podId!: string;
  @Column('int')
  generation!: number;
  @Column('text')
  path!: string;
  @Column('text')
  home!: string;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('timestamptz', { nullable: true })
  removedAt!: Date | null;
}
