import type { RunLimits } from '../task/task.js';

/** What a test of an agent with one line may take in all, ms. */
export const AGENT_TEST_MS = 60_000;
/** What it may cost and do: the first prompt of an agent is long. Its program is told, and egress holds it. */
export const AGENT_TEST_LIMITS: RunLimits = { maxRunMinutes: 1, maxCostUsd: 0.5, maxTurns: 3, stallMinutes: 1 };
/** How often it may ask a model: where no price is known, this is what bounds the cost. */
export const AGENT_TEST_CALLS = 8;
