import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Actor, ParkedAction, ParkedKind, ParkedOwner } from '@capstan/domain';
import type { AnswerJson } from './json.js';

/** What somebody asks of a parked row. Inserted by the gateway; applied and answered by the row's owner. */
@Entity('parked_request')
export class ParkedRequest {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('text')
  kind!: ParkedKind;
  @Column('uuid')
  rowId!: string;
  @Column('text')
  action!: ParkedAction;
  @Column('text')
  owner!: ParkedOwner;
  @Column('text', { nullable: true })
  reason!: string | null;
  @Column('jsonb')
  actor!: Actor;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('timestamptz', { nullable: true })
  answeredAt!: Date | null;
  @Column('jsonb', { nullable: true })
  answer!: AnswerJson | null;
  @Column('int')
  attempts!: number;
  @Column('timestamptz', { nullable: true })
  notBefore!: Date | null;
  @Column('text', { nullable: true })
  lastError!: string | null;
}
