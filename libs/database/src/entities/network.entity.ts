import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What a run's agent asked egress for, by host and port; what came after the two hundredth host is one row `…`. Owner: egress. */
@Entity('run_network')
export class RunNetwork {
  @Column('uuid')
  workspaceId!: string;
  @PrimaryColumn('uuid')
  runId!: string;
  @PrimaryColumn('text')
  host!: string;
  @PrimaryColumn('int')
  port!: number;
  @PrimaryColumn('text')
  verdict!: 'allowed' | 'blocked';
  /** Why it was blocked: a code of egress. */
  @Column('text', { nullable: true })
  reason!: string | null;
  /** The last User-Agent that asked: what the program calls itself, never proof. */
  @Column('text', { nullable: true })
  client!: string | null;
  @Column('int')
  connections!: number;
  /** From the agent outwards. */
  @Column('bigint')
  bytesUp!: string;
  @Column('bigint')
  bytesDown!: string;
  @Column('timestamptz')
  firstAt!: Date;
  @Column('timestamptz')
  lastAt!: Date;
}

/** A run's calls to a model, and their tokens as the provider's answers tell them. Owner: egress. */
@Entity('model_use')
export class ModelUse {
  @Column('uuid')
  workspaceId!: string;
  @PrimaryColumn('uuid')
  runId!: string;
  @PrimaryColumn('text')
  provider!: string;
  @PrimaryColumn('text')
  model!: string;
  @Column('int')
  calls!: number;
  /** Neither read from a cache nor written to one. */
  @Column('bigint')
  inputTokens!: string;
  @Column('bigint')
  outputTokens!: string;
  @Column('bigint')
  cacheReadTokens!: string;
  @Column('bigint')
  cacheWriteTokens!: string;
  /** Of the calls whose price is known; null where none is. */
  @Column('numeric', { nullable: true })
  costUsd!: string | null;
  /** Calls that cost something which nobody knows. */
  @Column('int')
  unpricedCalls!: number;
  /** Its calls found every key at its limit, until then. */
  @Column('timestamptz', { nullable: true })
  limitedUntil!: Date | null;
}
