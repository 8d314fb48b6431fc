import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { TicketCommentJson } from './json.js';

/** Where tickets come from. Inserted by the gateway; updated by ticket-sync. */
@Entity('ticket_source')
export class TicketSource {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('uuid')
  repositoryId!: string;
  @Column('text')
  kind!: string;
  @Column('text')
  project!: string;
  @Column('text')
  apiUrl!: string;
  @Column('text')
  label!: string;
  @Column('text')
  credentialSecret!: string;
  @Column('boolean')
  enabled!: boolean;
  @Column('text', { nullable: true })
  etag!: string | null;
  @Column('timestamptz', { nullable: true })
  lastPolledAt!: Date | null;
  @Column('timestamptz')
  nextPollAt!: Date;
  @Column('int')
  attempts!: number;
  @Column('text', { nullable: true })
  lastError!: string | null;
  @Column('text', { nullable: true })
  lastErrorCode!: string | null;
  /** How many of the last polls in a row failed otherwise than by an outage or a refusal. */
  @Column('int')
  surprises!: number;
  @Column('timestamptz', { nullable: true })
  parkedAt!: Date | null;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('int')
  version!: number;
}

/** One opening of one ticket. Owner: ticket-sync. */
@Entity('ticket')
export class Ticket {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('uuid')
  sourceId!: string;
  @Column('text')
  key!: string;
  @Column('text')
  url!: string;
  @Column('text')
  title!: string;
  @Column('text')
  body!: string;
  @Column('text')
  author!: string;
  @Column('timestamptz')
  openedAt!: Date;
  @Column('text')
  state!: 'open' | 'closed';
  @Column('jsonb')
  comments!: TicketCommentJson[];
  @Column('timestamptz')
  importedAt!: Date;
  @Column('text', { array: true })
  reported!: string[];
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
