import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { CheckedState, ConclusiveState, ModelOrderEntry, ModelProtocol } from '@capstan/domain';

/** What one provider says of one secret, at one of the places where it is used. Owner: egress. */
@Entity('credential_check')
export class CredentialCheck {
  @Column('uuid')
  workspaceId!: string;
  @PrimaryColumn('uuid')
  secretId!: string;
  /** The address that is asked. */
  @PrimaryColumn('text')
  target!: string;
  /** The same as people know it: a repository's name, or a host. */
  @Column('text')
  subject!: string;
  /** Version of the secret that all of this is said of. */
  @Column('int')
  secretVersion!: number;
  @Column('text')
  state!: CheckedState;
  /** The provider's own, cleaned and without any part of the secret. */
  @Column('text', { nullable: true })
  words!: string | null;
  /** When it last answered, or failed to. */
  @Column('timestamptz', { nullable: true })
  checkedAt!: Date | null;
  /** What it said when it last said something of the credential. */
  @Column('text', { nullable: true })
  conclusiveState!: ConclusiveState | null;
  @Column('timestamptz', { nullable: true })
  conclusiveAt!: Date | null;
  /** When the last look began. */
  @Column('timestamptz')
  beganAt!: Date;
  @Column('timestamptz', { nullable: true })
  claimedUntil!: Date | null;
  @Column('timestamptz')
  nextCheckAt!: Date;
  @Column('int')
  version!: number;
}

/** In which order a workspace's keys and providers are asked, for one protocol; no row: as they are named. Owner: gateway. */
@Entity('model_order')
export class ModelOrder {
  @PrimaryColumn('uuid')
  workspaceId!: string;
  @PrimaryColumn('text')
  protocol!: ModelProtocol;
  @Column('jsonb')
  entries!: readonly ModelOrderEntry[];
  @Column('timestamptz')
  changedAt!: Date;
}
