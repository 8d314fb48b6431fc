import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Actor } from '@capstan/domain';
import type { Role } from './json.js';

/** A tenant. Owner: gateway. */
@Entity('workspace')
export class Workspace {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('text')
  name!: string;
  @Column('text')
  slug!: string;
  @Column('timestamptz', { nullable: true })
  pausedAt!: Date | null;
  /** Set with `pausedAt`. */
  @Column('jsonb', { nullable: true })
  pausedBy!: Actor | null;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('int')
  version!: number;
}

/** Somebody who can sign in. Owner: gateway. */
@Entity('user')
export class User {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('text')
  email!: string;
  @Column('text')
  name!: string;
  @Column('text')
  passwordHash!: string;
  @Column('timestamptz')
  createdAt!: Date;
}

/** Owner: gateway. */
@Entity('membership')
export class Membership {
  @PrimaryColumn('uuid')
  workspaceId!: string;
  @PrimaryColumn('uuid')
  userId!: string;
  @Column('text')
  role!: Role;
}

/** A browser that is signed in; only the SHA-256 of its cookie is kept. Owner: gateway. */
@Entity('session')
export class Session {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  userId!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('bytea')
  tokenHash!: Buffer;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('timestamptz')
  expiresAt!: Date;
  @Column('timestamptz')
  lastSeenAt!: Date;
}

/** An access token, hashed. Owner: gateway. */
@Entity('token')
export class Token {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  userId!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('text')
  name!: string;
  @Column('bytea')
  tokenHash!: Buffer;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('timestamptz', { nullable: true })
  lastUsedAt!: Date | null;
}

/** A one-time link, hashed. Owner: gateway. */
@Entity('sign_in_link')
export class SignInLink {
  @PrimaryColumn('bytea')
  tokenHash!: Buffer;
  @Column('uuid')
  userId!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('timestamptz')
  expiresAt!: Date;
}

/** Wrong passwords by account and by address. Owner: gateway. */
@Entity('sign_in_attempt')
export class SignInAttempt {
  @PrimaryColumn('text')
  key!: string;
  @Column('int')
  failures!: number;
  @Column('timestamptz', { nullable: true })
  lockedUntil!: Date | null;
  @Column('timestamptz')
  updatedAt!: Date;
}

/** Who changed what. Owner: gateway. */
@Entity('audit')
export class Audit {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid', { nullable: true })
  workspaceId!: string | null;
  @Column('jsonb')
  actor!: Actor;
  @Column('text')
  action!: string;
  @Column('text', { nullable: true })
  subject!: string | null;
  @Column('jsonb', { nullable: true })
  detail!: unknown | null;
  @Column('timestamptz')
  at!: Date;
}

/** Answers by Idempotency-Key. Owner: gateway. */
@Entity('idempotency')
export class Idempotency {
  @PrimaryColumn('uuid')
  workspaceId!: string;
  @PrimaryColumn('text')
  key!: string;
  @Column('text')
  requestHash!: string;
  @Column('int')
  status!: number;
  @Column('jsonb')
  answer!: unknown;
  @Column('timestamptz')
  createdAt!: Date;
}
