import {
  Workspace,
  User,
  Membership,
  Session,
  Token,
  SignInLink,
  SignInAttempt,
  Audit,
  Idempotency,
} from './access.entity.js';
import { Repository, Secret, CredentialPause } from './repository.entity.js';
import { CredentialCheck, ModelOrder } from './credential.entity.js';
import { Task, TaskDependency, TaskEvent, TaskRequest } from './task.entity.js';
import { Pod, PodHealthEvent, Worktree } from './pod.entity.js';
import { Run, RunCommand, RunLog, Usage, Worker } from './run.entity.js';
import { PullRequest, Check, Review } from './pull-request.entity.js';
import { TicketSource, Ticket } from './ticket.entity.js';
import { Delivery, Effect, Outbox } from './traffic.entity.js';
import { ParkedRequest } from './parking.entity.js';
import { RunNetwork, ModelUse } from './network.entity.js';
import { AgentProgram, AgentRequest } from './agent.entity.js';
import { ForgeApp } from './forge-app.entity.js';

export * from './json.js';
export * from './access.entity.js';
export * from './repository.entity.js';
export * from './credential.entity.js';
export * from './task.entity.js';
export * from './pod.entity.js';
export * from './run.entity.js';
export * from './pull-request.entity.js';
export * from './ticket.entity.js';
export * from './traffic.entity.js';
export * from './parking.entity.js';
export * from './network.entity.js';
export * from './agent.entity.js';
export * from './forge-app.entity.js';

/** Every table, for TypeORM. */
export const ENTITIES = [
  Workspace,
  User,
  Membership,
  Session,
  Token,
  SignInLink,
  SignInAttempt,
  Audit,
  Idempotency,
  Repository,
  Secret,
  CredentialPause,
  CredentialCheck,
  ModelOrder,
  Task,
  TaskDependency,
  TaskEvent,
  TaskRequest,
  Pod,
  PodHealthEvent,
  Worktree,
  Run,
  RunCommand,
  RunLog,
  Usage,
  Worker,
  PullRequest,
  Check,
  Review,
  TicketSource,
  Ticket,
  Delivery,
  Effect,
  Outbox,
  ParkedRequest,
  RunNetwork,
  ModelUse,
  AgentProgram,
  AgentRequest,
  ForgeApp,
];
