import { setTimeout as pause } from 'node:timers/promises';
import type { EffectKind } from '@capstan/domain';
import type { FaultRule } from '@capstan/test-support';
import type { Action } from '../adversary/action.js';

const SECONDARY_LIMIT = 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.';

/** The request by which each effect is done. */
const WRITES: Readonly<Record<EffectKind, Pick<FaultRule, 'method' | 'path'>>> = {
  push_branch: { method: 'POST', path: /\/git-receive-pack$/ },
  open_pull_request: { method: 'POST', path: /\/pulls$/ },
  merge_pull_request: { method: 'PUT', path: /\/pulls\/\d+\/merge$/ },
  close_pull_request: { method: 'PATCH', path: /\/pulls\/\d+$/ },
  comment_pull_request: { method: 'POST', path: /\/issues\/\d+\/comments$/ },
  report_head: { method: 'POST', path: /\/check-runs$/ },
  comment_ticket: { method: 'POST', path: /\/issues\/\d+\/comments$/ },
  close_ticket: { method: 'PATCH', path: /\/issues\/\d+$/ },
};

/** Longer than any client of Capstan's waits. ms */
const BEYOND_PATIENCE_MS = 15_000;
const WINDOW_MS: readonly [number, number] = [4_000, 12_000];

/** What was asked is done, and the answer never arrives: reset at once, or kept waiting until the client gives up. */
export const loseAnswers: Action = {
  name: 'lose-answers',
  weight: 4,
  async act({ double }, random, note) {
    const kinds = random.shuffled(Object.keys(WRITES) as EffectKind[]);
    const rules = kinds.map((kind): FaultRule => {
      const times = random.int(1, 2);
      const hold = random.chance(0.3) ? { holdAnswerMs: BEYOND_PATIENCE_MS } : {};
      return { ...WRITES[kind], times, afterExecution: true, ...hold };
    });
    const before = double.journal.length;
    await during(
      rules.map((rule) => double.inject(rule)),
      random.int(...WINDOW_MS),
    );
    const lost = double.journal.slice(before).filter((entry) => entry.kind === 'request' && entry.status === 0).length;
    note(`${lost} answers of the forge lost after the work was done`);
  },
};

/** Whatever is asked of the API or of git, the forge is broken. */
export const breakForge: Action = {
  name: 'break-forge',
  weight: 2,
  async act({ double }, random, note) {
    const forMs = random.int(...WINDOW_MS);
    const status = random.pick([500, 502, 503]);
    note(`the forge answers ${status} to everything for ${forMs} ms`);
    await during([double.inject({ times: Infinity, status, message: 'Server Error' })], forMs);
  },
};

/** Every second write or so is told to slow down. */
export const limitForge: Action = {
  name: 'limit-forge',
  weight: 2,
  async act({ double }, random, note) {
    const seconds = random.int(1, 3);
    const limited = { headers: { 'retry-after': String(seconds) }, message: SECONDARY_LIMIT, times: random.int(2, 6) };
    note(`the forge has a secondary rate limit: ${limited.times} requests are told to come back in ${seconds} s`);
    const rules = ['GET', 'POST', 'PUT', 'PATCH'].map((method) => ({ method, path: /^\/repos\//, ...limited }));
    const statuses = rules.map((rule) => ({ ...rule, status: random.pick([403, 429]) }));
    await during(
      statuses.map((rule) => double.inject(rule)),
      random.int(...WINDOW_MS),
    );
  },
};

/** Deliveries vanish, come twice, overtake one another by up to a minute, or are signed by somebody else. */
export const confuseWebhooks: Action = {
  name: 'confuse-webhooks',
  weight: 3,
  async act({ double }, random, note) {
    const latestMs = random.pick([3_000, 20_000, 60_000]);
    const late = random.fork();
    const kinds: Readonly<Record<string, FaultRule>> = {
      dropped: { dropWebhooks: true },
      doubled: { duplicateWebhooks: true },
      [`late by up to ${latestMs / 1000} s`]: { delayWebhooksMs: () => late.int(0, latestMs) },
      'wrongly signed': { badSignature: true },
      'doubled and late': { duplicateWebhooks: true, delayWebhooksMs: () => late.int(0, latestMs) },
    };
    const name = random.pick(Object.keys(kinds));
    const before = double.journal.length;
    await during([double.inject({ ...kinds[name]!, times: Infinity })], random.int(...WINDOW_MS));
    const sent = double.journal.slice(before).filter(({ kind }) => kind === 'delivery').length;
    note(`webhooks ${name}; ${sent} were over by the end of it`);
  },
};

async function during(undo: readonly (() => void)[], ms: number): Promise<void> {
  try {
    await pause(ms);
  } finally {
    for (const each of undo) each();
  }
}
