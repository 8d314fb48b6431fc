import type { TaskState } from '@capstan/domain';
import type { JournalEntry } from '@capstan/test-support';
import type { HostEvent } from '../stage/host.js';
import type { Complaint } from '../stage/stage.js';
import type { AgentTruth } from '../workload/truth.js';
import type { KindName } from '../workload/kinds.js';

/** Everything that the auditor judges: plain values, so that a spec can doctor them. Times are Unix ms. */
export interface World {
  /** By the database's clock. */
  readonly now: number;
  /** How long a worktree may outlive its task. */
  readonly worktreesKeptMs: number;
  readonly wanted: readonly WantedTask[];
  readonly agents: readonly AgentTruth[];
  /** Runs whose agent the adversary killed itself: they may be lived again. */
  readonly takenLives: readonly string[];
  readonly database: DatabaseWorld;
  readonly forge: readonly ForgeRepository[];
  readonly journal: readonly JournalEntry[];
  readonly machine: MachineWorld;
  readonly hosts: readonly { readonly name: string; readonly events: readonly HostEvent[] }[];
  readonly complaints: readonly Complaint[];
}

export interface WantedTask {
  readonly name: string;
  readonly kind: KindName;
  readonly fullName: string;
  /** Null for a task that was posted. */
  readonly ticket: number | null;
  /** Null for a ticket. */
  readonly postedId: string | null;
}

export interface DatabaseWorld {
  readonly tasks: readonly TaskRow[];
  readonly runs: readonly RunRow[];
  readonly logs: readonly LogRow[];
  readonly usage: readonly { readonly runId: string; readonly costUsd: string }[];
  readonly effects: readonly EffectRow[];
  readonly pullRequests: readonly PullRequestRow[];
  readonly worktrees: readonly WorktreeRow[];
  readonly pods: readonly PodRow[];
  readonly parked: readonly { readonly table: string; readonly id: string; readonly lastError: string | null }[];
  readonly outbox: readonly { readonly id: string; readonly event: string; readonly ageMs: number }[];
  readonly unanswered: readonly { readonly id: string; readonly kind: string }[];
  /** Advisory locks that are held. */
  readonly locks: readonly { readonly pid: number; readonly key: string; readonly query: string }[];
}

export interface TaskRow {
  readonly id: string;
  readonly title: string;
  readonly fullName: string;
  readonly state: TaskState;
  readonly attention: string | null;
  readonly intent: string | null;
  readonly ticketKey: string | null;
  readonly branch: string | null;
  readonly generation: number;
  readonly costUsd: string;
  readonly endedAt: number | null;
}

export interface RunRow {
  readonly id: string;
  readonly taskId: string;
  readonly number: number;
  readonly state: string;
  readonly outcome: string | null;
  readonly detail: string | null;
  readonly owner: string | null;
  readonly headSha: string | null;
  readonly costUsd: string;
  readonly logSequence: number;
}

export interface LogRow {
  readonly runId: string;
  readonly sequences: readonly number[];
  /** Lines of the agent's own, in their order. */
  readonly texts: readonly string[];
}

export interface EffectRow {
  readonly id: string;
  readonly taskId: string;
  readonly kind: string;
  readonly key: string;
  readonly state: string;
  readonly code: string | null;
  readonly lastError: string | null;
}

export interface PullRequestRow {
  readonly taskId: string;
  readonly branch: string;
  readonly number: number | null;
  readonly state: string;
  readonly pushedSha: string | null;
  readonly mergeCommit: string | null;
}

export interface WorktreeRow {
  readonly taskId: string;
  readonly podName: string;
  readonly path: string;
  readonly removed: boolean;
}

export interface PodRow {
  readonly name: string;
  readonly state: string;
  readonly deleted: boolean;
}

/** One repository at the forge: its bare repository as git shows it, and what the REST API answers. */
export interface ForgeRepository {
  readonly fullName: string;
  readonly branches: readonly { readonly name: string; readonly sha: string }[];
  /** Of the default branch, oldest first. */
  readonly commits: readonly { readonly sha: string; readonly author: string; readonly subject: string }[];
  /** What lies in work/ on the default branch. */
  readonly files: Readonly<Record<string, string>>;
  readonly issues: readonly Issue[];
  readonly pulls: readonly Pull[];
}

export interface Issue {
  readonly number: number;
  readonly title: string;
  readonly state: string;
  /** Also of pull requests. Oldest first. */
  readonly comments: readonly { readonly id: number; readonly author: string; readonly body: string }[];
}

export interface Pull {
  readonly number: number;
  readonly branch: string;
  readonly headSha: string;
  readonly state: string;
  readonly merged: boolean;
  readonly mergeCommit: string | null;
}

export interface MachineWorld {
  /** That have to do with a pod. */
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
  /** Worktrees on disk, as `POD/NAME`. */
  readonly worktrees: readonly string[];
  /** Pods on disk. */
  readonly pods: readonly string[];
  /** Lock files of git and others. */
  readonly lockFiles: readonly string[];
}
