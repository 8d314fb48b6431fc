import { errorText } from '@capstan/domain';
import type { Database } from '@capstan/database';
import type { Found, Logger, Loop, Loops, Vault } from '@capstan/service-kit';
import type { AskProvider } from '../provider/ask-provider.js';
import type { AskPermissions } from '../provider/forge-permissions.js';
import { judgeAnswer } from '../provider/judgement.js';
import { cleanWords } from '../provider/provider-words.js';
import { PROVIDER_ADDRESSES, type ProviderAddresses } from '../provider/targets.js';
import { claimCheck, forgetChecks, recordCheck } from './verify-credential.apply.js';
import { decideCredentials, keyOf, type DueCheck } from './verify-credential.decide.js';
import { readCredentials } from './verify-credential.snapshot.js';

/** What no event told of is found within this. ms */
const LOOK_EVERY_MS = 30_000;
/** Checks under way at the same time, and those at one host, so that one that hangs keeps nobody else waiting. */
const AT_ONCE = 64;
const AT_ONE_HOST = 4;

export interface CredentialVerifierParts {
  readonly database: Database;
  readonly vault: Vault;
  readonly ask: AskProvider;
  /** What is asked after a forge's token was found valid. */
  readonly askPermissions: AskPermissions;
  readonly logger: Pick<Logger, 'error' | 'warn'>;
  /** Between two checks of one credential at one place. ms */
  readonly everyMs: number;
  readonly providers?: ProviderAddresses;
}

/** Asks the providers about every credential that is set, again and again, and at once when somebody wants to know. */
export class CredentialVerifier {
  private readonly underWay = new Map<string, { readonly host: string; readonly done: Promise<void> }>();
  private readonly end = new AbortController();
  private loop: Loop | undefined;

  constructor(private readonly parts: CredentialVerifierParts) {}

  start(loops: Loops): void {
    this.loop = loops.every({ name: 'verify credentials', everyMs: LOOK_EVERY_MS, pass: () => this.pass() });
  }

  /** Looks now; whatever is due is asked about without anybody waiting for it. */
  wake(): void {
    void this.loop?.wake();
  }

  /** Begins what is due; it goes on after this has resolved. */
  async pass(): Promise<Found> {
    const { database, everyMs, providers = PROVIDER_ADDRESSES } = this.parts;
    const plan = decideCredentials(await readCredentials(database), everyMs, providers);
    await forgetChecks(database, plan.forget);
    for (const due of plan.due) this.begin(due);
    return { withinMs: Math.min(plan.withinMs, LOOK_EVERY_MS) };
  }

  /** Gives up what is under way: it is due again when its claim lapses. Resolves when nothing is. */
  async close(): Promise<void> {
    this.end.abort();
    await this.drain();
  }

  /** Resolves when nothing is under way any more. */
  async drain(): Promise<void> {
    await Promise.all([...this.underWay.values()].map(({ done }) => done));
  }

  /** What finds no place stays due, and is looked for again when one becomes free. */
  private begin(due: DueCheck): void {
    const key = keyOf(due.secret.id, due.target.address);
    const { host } = new URL(due.target.address);
    const there = [...this.underWay.values()].filter((each) => each.host === host);
    if (
      this.end.signal.aborted ||
      this.underWay.has(key) ||
      this.underWay.size >= AT_ONCE ||
      there.length >= AT_ONE_HOST
    )
      return;
    const done = this.check(due).finally(() => {
      this.underWay.delete(key);
      this.wake();
    });
    this.underWay.set(key, { host, done });
  }

  /** Never rejects: what fails is due again when its claim lapses. */
  private async check(due: DueCheck): Promise<void> {
    const { database, vault, ask, askPermissions, logger } = this.parts;
    const { secret, target } = due;
    try {
      const claimed = await claimCheck(database, due);
      const value = claimed === null ? null : await vault.get(secret);
      if (claimed === null || value === null) return;
      const answer = await ask(target, value, this.end.signal);
      if (this.end.signal.aborted) return;
      const first = judgeAnswer(target.call, answer);
      const { state, words } =
        (first.state === 'valid' ? await askPermissions(due, value, this.end.signal) : undefined) ?? first;
      if (this.end.signal.aborted) return;
      await recordCheck(database, claimed, { state, words: cleanWords(words, value) });
    } catch (error) {
      logger.warn({ secretId: secret.id, reason: errorText(error) }, `${secret.name} could not be verified`);
    }
  }
}
