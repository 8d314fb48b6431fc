import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { EffectKind, EffectState } from '@capstan/domain';

/** One verified webhook, exactly as it arrived. Owner: webhooks. */
@Entity('delivery')
export class Delivery {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('uuid')
  repositoryId!: string;
  @Column('text')
  forge!: string;
  @Column('text')
  remoteId!: string;
  @Column('text')
  event!: string;
  @Column('jsonb')
  headers!: Record<string, string>;
  @Column('bytea')
  body!: Buffer;
  @Column('timestamptz')
  receivedAt!: Date;
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
}

/** One write to the outside world. Updated by its executor alone. */
@Entity('effect')
export class Effect {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('uuid')
  taskId!: string;
  @Column('uuid', { nullable: true })
  runId!: string | null;
  @Column('int')
  epoch!: number;
  @Column('text')
  kind!: EffectKind;
  @Column('text')
  executor!: string;
  @Column('text')
  key!: string;
  @Column('jsonb')
  arguments!: Record<string, unknown>;
  @Column('text')
  state!: EffectState;
  @Column('text', { nullable: true })
  claimedBy!: string | null;
  @Column('int')
  claimEpoch!: number;
  @Column('timestamptz', { nullable: true })
  deadlineAt!: Date | null;
  @Column('text', { nullable: true })
  remoteId!: string | null;
  @Column('jsonb', { nullable: true })
  result!: Record<string, unknown> | null;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('timestamptz', { nullable: true })
  settledAt!: Date | null;
  @Column('text', { nullable: true })
  traceparent!: string | null;
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
}

/** Events of committed transactions that the broker has not taken yet. */
@Entity('outbox')
export class Outbox {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('text')
  event!: string;
  @Column('text')
  subject!: string;
  @Column('jsonb')
  payload!: Record<string, unknown>;
  @Column('text', { nullable: true })
  traceparent!: string | null;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('timestamptz', { nullable: true })
  claimedUntil!: Date | null;
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
}
