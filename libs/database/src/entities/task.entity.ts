import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Actor, RunLimits, RunReason, TaskIntent, TaskKind, TaskRequestKind, TaskState } from '@capstan/domain';
import type { AnswerJson, AttentionJson, WaitingJson } from './json.js';

/** A unit of work. Inserted by `createTask`; updated by the scheduler alone. */
@Entity('task')
export class Task {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('uuid')
  repositoryId!: string;
  @Column('text')
  kind!: TaskKind;
  @Column('text')
  title!: string;
  @Column('text')
  body!: string;
  @Column('text')
  state!: TaskState;
  @Column('int')
  priority!: number;
  @Column('text')
  baseBranch!: string;
  @Column('text', { nullable: true })
  branch!: string | null;
  @Column('int')
  generation!: number;
  @Column('jsonb', { nullable: true })
  limits!: Partial<RunLimits> | null;
  @Column('uuid', { nullable: true })
  ticketId!: string | null;
  @Column('jsonb')
  createdBy!: Actor;
  @Column('text', { nullable: true })
  intent!: TaskIntent | null;
  @Column('timestamptz', { nullable: true })
  intentAt!: Date | null;
  @Column('jsonb', { nullable: true })
  intentBy!: Actor | null;
  @Column('text')
  runReason!: RunReason;
  @Column('text', { nullable: true })
  runNote!: string | null;
  @Column('uuid', { nullable: true })
  currentRunId!: string | null;
  @Column('uuid', { nullable: true })
  lastPodId!: string | null;
  @Column('int')
  runCount!: number;
  @Column('int')
  retries!: number;
  @Column('int')
  ciResumes!: number;
  @Column('jsonb', { nullable: true })
  waiting!: WaitingJson | null;
  @Column('jsonb', { nullable: true })
  attention!: AttentionJson | null;
  @Column('boolean')
  agentUnconfirmed!: boolean;
  @Column('numeric')
  costUsd!: string;
  @Column('uuid', { nullable: true })
  linkedTaskId!: string | null;
  @Column('text', { nullable: true })
  traceparent!: string | null;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('timestamptz')
  updatedAt!: Date;
  @Column('timestamptz', { nullable: true })
  startedAt!: Date | null;
  @Column('timestamptz', { nullable: true })
  endedAt!: Date | null;
  @Column('int')
  attempts!: number;
  @Column('timestamptz', { nullable: true })
  notBefore!: Date | null;
  @Column('text', { nullable: true })
  lastError!: string | null;
  @Column('text', { nullable: true })
  lastErrorCode!: string | null;
  /** No resync of a row that failed before this; `notBefore` is the task's own back-off, which placement goes by. */
  @Column('timestamptz', { nullable: true })
  retryAt!: Date | null;
  @Column('timestamptz', { nullable: true })
  parkedAt!: Date | null;
  @Column('int')
  version!: number;
}

/** `taskId` waits for `dependsOnId`. Inserted with the task, never changed. */
@Entity('task_dependency')
export class TaskDependency {
  @Column('uuid')
  workspaceId!: string;
  @PrimaryColumn('uuid')
  taskId!: string;
  @PrimaryColumn('uuid')
  dependsOnId!: string;
}

/** One line of a task's life; only ever inserted. */
@Entity('task_event')
export class TaskEvent {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('uuid')
  taskId!: string;
  @Column('text')
  kind!: string;
  @Column('text', { nullable: true })
  fromState!: TaskState | null;
  @Column('text', { nullable: true })
  toState!: TaskState | null;
  @Column('text')
  cause!: string;
  @Column('jsonb')
  actor!: Actor;
  @Column('text', { nullable: true })
  traceId!: string | null;
  @Column('jsonb', { nullable: true })
  detail!: unknown | null;
  @Column('timestamptz')
  at!: Date;
}

/** What somebody asks of a task. Inserted by anybody; answered by the scheduler. */
@Entity('task_request')
export class TaskRequest {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('uuid')
  taskId!: string;
  @Column('text')
  kind!: TaskRequestKind;
  @Column('jsonb')
  arguments!: Record<string, unknown>;
  @Column('jsonb')
  actor!: Actor;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('timestamptz', { nullable: true })
  answeredAt!: Date | null;
  @Column('jsonb', { nullable: true })
  answer!: AnswerJson | null;
  /** Of a message: the run that it was given to. Null while it waits for one. */
  @Column('uuid', { nullable: true })
  givenRunId!: string | null;
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
