import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { MergeMethod } from '@capstan/domain';
import type { AgentSettingsJson } from './json.js';

/** A repository that agents work on. Owner: gateway. */
@Entity('repository')
export class Repository {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('text')
  forge!: string;
  @Column('text')
  fullName!: string;
  @Column('text')
  apiUrl!: string;
  @Column('text')
  cloneUrl!: string;
  @Column('text')
  webUrl!: string;
  @Column('text')
  defaultBranch!: string;
  @Column('text')
  credentialSecret!: string;
  @Column('jsonb')
  agent!: AgentSettingsJson;
  /** Hosts that agents may reach on top of the default list: `example.com`, `*.example.com`, either with `:port`. */
  @Column('jsonb')
  egressHosts!: readonly string[];
  @Column('text', { nullable: true })
  promptTemplate!: string | null;
  @Column('text')
  instructions!: string;
  @Column('int')
  maxConcurrentTasks!: number;
  @Column('int')
  maxPodInstances!: number;
  @Column('int')
  maxAgentsPerPod!: number;
  @Column('text', { nullable: true })
  image!: string | null;
  @Column('boolean')
  autoMerge!: boolean;
  @Column('text')
  mergeMethod!: MergeMethod;
  @Column('boolean')
  mergeWithoutChecks!: boolean;
  @Column('int')
  requiredApprovals!: number;
  @Column('boolean')
  allowWorkflowChanges!: boolean;
  @Column('boolean')
  allowSubmoduleChanges!: boolean;
  /** Whether agents may fetch the owner's other repositories. */
  @Column('boolean')
  allowSubmoduleFetch!: boolean;
  @Column('int')
  maxRunMinutes!: number;
  @Column('numeric')
  maxCostUsd!: string;
  @Column('int')
  maxTurns!: number;
  @Column('int')
  stallMinutes!: number;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('timestamptz', { nullable: true })
  archivedAt!: Date | null;
  @Column('int')
  version!: number;
}

/** A sealed value: a repository's, a person's, or the whole workspace's. Owner: gateway. */
@Entity('secret')
export class Secret {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('uuid', { nullable: true })
  repositoryId!: string | null;
  /** The member whose own it is; it goes with their membership. Never beside `repositoryId`. */
  @Column('uuid', { nullable: true })
  userId!: string | null;
  @Column('text')
  name!: string;
  @Column('int')
  keyVersion!: number;
  @Column('bytea')
  nonce!: Buffer;
  @Column('bytea')
  ciphertext!: Buffer;
  @Column('timestamptz')
  setAt!: Date;
  /** When somebody last asked for a look at it now. */
  @Column('timestamptz', { nullable: true })
  verifyAskedAt!: Date | null;
  @Column('int')
  version!: number;
}

/** A credential that a provider limits until then. Owner: scheduler. */
@Entity('credential_pause')
export class CredentialPause {
  @PrimaryColumn('uuid')
  workspaceId!: string;
  @PrimaryColumn('text')
  credential!: string;
  @Column('timestamptz')
  until!: Date;
  @Column('text')
  reason!: string;
}
