import type { SymptomCode, WaitingCode } from '@capstan/domain';

/** Shapes of the JSON columns. */

export type Role = 'admin' | 'member' | 'viewer';

/** How a repository wants its agent run; `agents` validates it. */
export interface AgentSettingsJson {
  readonly agent: string;
  readonly model?: string;
  readonly baseUrl?: string;
  readonly argv?: readonly string[];
  readonly promptVia?: 'stdin' | 'file';
  readonly output?: 'text' | 'ndjson';
  readonly input?: 'none' | 'ndjson';
  readonly env?: Readonly<Record<string, string>>;
}

/** Why a task waits: a symptom code with the words that were true then. */
export interface WaitingJson {
  readonly code: WaitingCode;
  readonly detail: string;
  /** 1 for the head of the queue; null where there is no queue. */
  readonly position: number | null;
}

/** What went wrong, or what a person has to do. */
export interface AttentionJson {
  readonly code: SymptomCode;
  readonly detail: string;
}

/** The scheduler's answer to a request. */
export interface AnswerJson {
  readonly applied: boolean;
  readonly code: string;
  readonly detail: string;
  /** What helps instead, where it was refused. */
  readonly remedy?: string;
}

/** What came of a word to an agent; `unsupported`: it can't be reached so · `ended`: it was gone already. */
export interface RunCommandAnswerJson {
  readonly accepted: boolean;
  readonly refusal?: 'unsupported' | 'ended';
}

export interface TicketCommentJson {
  readonly author: string;
  readonly body: string;
  readonly createdAt: string;
}
