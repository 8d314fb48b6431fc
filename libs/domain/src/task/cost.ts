import { costLimitReached } from './task.js';

/** What one run of a task has cost, by the two who know of it. US dollars */
export interface RunCost {
  /** As the agent's program told it; 0 until it tells. */
  readonly toldUsd: number;
  /** As egress counted it from the answers of models; 0 where it knows no price. */
  readonly countedUsd: number;
}

/**
 * What a task has cost over all its runs, US dollars: of each run what is higher of the two accounts. Neither is the whole
 * truth: a program tells at the end of its turn and may lie, egress knows not every price.
 */
export function taskCostUsd(runs: readonly RunCost[]): number {
  return runs.reduce((sum, { toldUsd, countedUsd }) => sum + Math.max(toldUsd, countedUsd), 0);
}

/** What a task has cost where that is as much as it may; null: it may go on. US dollars */
export function spentBudget(runs: readonly RunCost[], maxCostUsd: number): number | null {
  const cost = taskCostUsd(runs);
  return costLimitReached(cost, maxCostUsd) ? cost : null;
}
