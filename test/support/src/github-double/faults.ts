export interface FaultRule {
  readonly method?: string;
  /**
   * For requests: the path without `/api/v3` (a string must equal it, query excluded; a RegExp sees it with the
   * query; git's own paths count too). For webhook faults: `event` or `event.action`. Left out: everything.
   */
  readonly path?: RegExp | string;
  /** How often it strikes; `Infinity` for always. Default 1. */
  readonly times?: number;
  /** Answer with this status instead of doing anything. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly message?: string;
  /** Wait before anything else. */
  readonly delayMs?: number;
  /** Do what was asked, then lose the answer: the connection is reset. */
  readonly afterExecution?: boolean;
  /** With `afterExecution`, REST only: the client waits in vain for this long before; its own time-out may end that sooner. */
  readonly holdAnswerMs?: number;
  readonly dropWebhooks?: boolean;
  readonly duplicateWebhooks?: boolean;
  /** A function is asked anew for each delivery: late by different times they overtake one another. */
  readonly delayWebhooksMs?: number | (() => number);
  readonly badSignature?: boolean;
}

interface Armed {
  readonly rule: FaultRule;
  left: number;
}

const isForWebhooks = (rule: FaultRule): boolean =>
  rule.dropWebhooks === true ||
  rule.duplicateWebhooks === true ||
  rule.badSignature === true ||
  rule.delayWebhooksMs !== undefined;

/** Faults that tests ordered, each good for a number of strikes. */
export class FaultBook {
  private armed: Armed[] = [];

  /** @returns a function that takes the fault back. */
  add(rule: FaultRule): () => void {
    const entry = { rule, left: rule.times ?? 1 };
    this.armed.push(entry);
    return () => {
      this.armed = this.armed.filter((other) => other !== entry);
    };
  }

  /** The first fault for this request; counts as a strike. */
  forRequest(method: string, path: string): FaultRule | undefined {
    const withoutQuery = path.split('?')[0] ?? path;
    return this.strike((rule) => {
      if (isForWebhooks(rule)) return false;
      if (rule.method && rule.method.toUpperCase() !== method) return false;
      if (rule.path === undefined) return true;
      return typeof rule.path === 'string' ? rule.path === withoutQuery : rule.path.test(path);
    });
  }

  /** The first fault for this delivery; counts as a strike. */
  forDelivery(event: string, action: string | null): FaultRule | undefined {
    const full = action ? `${event}.${action}` : event;
    return this.strike((rule) => {
      if (!isForWebhooks(rule)) return false;
      if (rule.path === undefined) return true;
      return typeof rule.path === 'string' ? rule.path === event || rule.path === full : rule.path.test(full);
    });
  }

  private strike(matches: (rule: FaultRule) => boolean): FaultRule | undefined {
    const entry = this.armed.find((candidate) => matches(candidate.rule));
    if (!entry) return undefined;
    entry.left -= 1;
    if (entry.left <= 0) this.armed = this.armed.filter((other) => other !== entry);
    return entry.rule;
  }
}
