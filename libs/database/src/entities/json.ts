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

/** An existing log-in of an agent's program, without its value. */
export interface LogInJson {
  readonly state: 'usable' | 'expired' | 'unusable';
  readonly place: string;
  readonly words: string;
  readonly remedy: { readonly words: string; readonly command: string | null } | null;
  /** Names of the secrets that it stands in for. */
  readonly secrets: readonly string[];
}

/** What came of a test of an agent. */
export interface AgentTestJson {
  readonly ok: boolean;
  /** What the agent said; empty where it said nothing. */
  readonly words: string;
  /** From its start to its end; null: it was not started. */
  readonly durationMs: number | null;
  /** US dollars, a decimal; null: not known. */
  readonly costUsd: string | null;
  readonly isolation: 'isolated' | 'not_isolated' | null;
  /** Of one that failed. */
  readonly failure: (AttentionJson & { readonly remedy: string | null }) | null;
}

export interface TicketCommentJson {
  readonly author: string;
  readonly body: string;
  readonly createdAt: string;
}
