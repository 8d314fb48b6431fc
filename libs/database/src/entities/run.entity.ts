import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { LogKind, RunLimits, RunOutcome, RunProcess, RunReason, RunState } from '@capstan/domain';
import type { AgentSettingsJson, RunCommandAnswerJson } from './json.js';

/** One life of one agent process. Inserted by placement; updated by agent-runner under its epoch. */
@Entity('run')
export class Run {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('uuid')
  repositoryId!: string;
  @Column('uuid')
  taskId!: string;
  @Column('int')
  number!: number;
  @Column('int')
  generation!: number;
  @Column('text')
  reason!: RunReason;
  @Column('text', { nullable: true })
  note!: string | null;
  @Column('text')
  state!: RunState;
  @Column('uuid')
  podId!: string;
  @Column('int')
  slot!: number;
  @Column('jsonb')
  agent!: AgentSettingsJson;
  @Column('jsonb')
  limits!: RunLimits;
  @Column('text')
  branch!: string;
  @Column('text')
  baseBranch!: string;
  @Column('text', { nullable: true })
  owner!: string | null;
  @Column('int')
  epoch!: number;
  @Column('timestamptz', { nullable: true })
  leaseExpiresAt!: Date | null;
  /** When its present or last owner took it. */
  @Column('timestamptz', { nullable: true })
  leaseBeganAt!: Date | null;
  @Column('timestamptz', { nullable: true })
  fencedAt!: Date | null;
  @Column('text', { nullable: true })
  baseSha!: string | null;
  @Column('text', { nullable: true })
  headSha!: string | null;
  @Column('jsonb', { nullable: true })
  process!: RunProcess | null;
  @Column('int')
  journalLine!: number;
  @Column('int')
  logSequence!: number;
  @Column('jsonb', { nullable: true })
  parseState!: unknown | null;
  @Column('text', { nullable: true })
  session!: string | null;
  @Column('numeric')
  costUsd!: string;
  @Column('jsonb', { nullable: true })
  outcome!: RunOutcome | null;
  @Column('timestamptz')
  placedAt!: Date;
  @Column('timestamptz', { nullable: true })
  leasedAt!: Date | null;
  @Column('timestamptz', { nullable: true })
  launchedAt!: Date | null;
  @Column('timestamptz', { nullable: true })
  finishedAt!: Date | null;
  @Column('timestamptz', { nullable: true })
  deadlineAt!: Date | null;
  @Column('timestamptz', { nullable: true })
  lastLineAt!: Date | null;
  @Column('timestamptz', { nullable: true })
  stalledAt!: Date | null;
  /** Its lines are kept no longer, and nobody is shown what is left of them. */
  @Column('timestamptz', { nullable: true })
  logExpiredAt!: Date | null;
  /** The last line is gone. */
  @Column('timestamptz', { nullable: true })
  logRemovedAt!: Date | null;
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
  @Column('int')
  version!: number;
}

/**
 * What a person says to the agent of a run; its id is that of the request. Inserted by the scheduler, answered by
 * agent-runner under the run's epoch.
 */
@Entity('run_command')
export class RunCommand {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('uuid')
  taskId!: string;
  @Column('uuid')
  runId!: string;
  @Column('text')
  kind!: 'message' | 'interrupt';
  @Column('text', { nullable: true })
  text!: string | null;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('timestamptz', { nullable: true })
  answeredAt!: Date | null;
  @Column('jsonb', { nullable: true })
  answer!: RunCommandAnswerJson | null;
}

/** Owner: agent-runner. */
@Entity('run_log')
export class RunLog {
  @Column('uuid')
  workspaceId!: string;
  @PrimaryColumn('uuid')
  runId!: string;
  @PrimaryColumn('int')
  sequence!: number;
  @Column('timestamptz')
  at!: Date;
  @Column('text')
  kind!: LogKind;
  @Column('text')
  text!: string;
  @Column('jsonb', { nullable: true })
  data!: Record<string, unknown> | null;
}

/** Tokens and cost of a run by model. Owner: agent-runner. */
@Entity('usage')
export class Usage {
  @Column('uuid')
  workspaceId!: string;
  @PrimaryColumn('uuid')
  runId!: string;
  @PrimaryColumn('text')
  model!: string;
  @Column('bigint')
  inputTokens!: string;
  @Column('bigint')
  outputTokens!: string;
  @Column('bigint')
  cacheReadTokens!: string;
  @Column('bigint')
  cacheWriteTokens!: string;
  @Column('numeric', { nullable: true })
  costUsd!: string | null;
}

/** One agent-runner replica. Owner: itself. */
@Entity('worker')
export class Worker {
  @PrimaryColumn('text')
  id!: string;
  @Column('text')
  host!: string;
  @Column('int')
  slots!: number;
  @Column('boolean')
  draining!: boolean;
  @Column('timestamptz')
  startedAt!: Date;
  @Column('timestamptz')
  heartbeatAt!: Date;
}
