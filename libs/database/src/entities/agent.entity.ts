import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Actor } from '@capstan/domain';
import type { AgentTestJson, AttentionJson, LogInJson } from './json.js';

/** What one machine has of an agent's program. Owner: agent-runner. */
@Entity('agent_program')
export class AgentProgram {
  @PrimaryColumn('text')
  host!: string;
  @PrimaryColumn('text')
  agent!: string;
  /** Where it was found; null: it is not on the search path. */
  @Column('text', { nullable: true })
  path!: string | null;
  @Column('text', { nullable: true })
  version!: string | null;
  /** Why it can't be started, or doesn't tell its version. */
  @Column('jsonb', { nullable: true })
  problem!: AttentionJson | null;
  /** The log-in that stands in for a secret; null where there is none, or none is looked for. */
  @Column('jsonb', { nullable: true })
  logIn!: LogInJson | null;
  @Column('timestamptz')
  lookedAt!: Date;
}

/** What somebody asks of the agents' programs. Inserted by the gateway; carried out and answered by agent-runner. */
@Entity('agent_request')
export class AgentRequest {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('text')
  kind!: 'look' | 'test';
  /** Of a test. */
  @Column('text', { nullable: true })
  agent!: string | null;
  /** Whose settings and secrets a test has; null: those of the workspace. */
  @Column('uuid', { nullable: true })
  repositoryId!: string | null;
  @Column('jsonb')
  actor!: Actor;
  @Column('timestamptz')
  createdAt!: Date;
  /** The runner that carries it out. */
  @Column('text', { nullable: true })
  owner!: string | null;
  @Column('timestamptz', { nullable: true })
  claimedUntil!: Date | null;
  @Column('timestamptz', { nullable: true })
  answeredAt!: Date | null;
  /** Of a test. */
  @Column('jsonb', { nullable: true })
  answer!: AgentTestJson | null;
}
