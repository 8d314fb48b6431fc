import { untrack } from 'svelte';
import type { Invalidation } from '@capstan/api';
import { connection } from './connection.svelte.ts';
import { Refetcher } from './refetcher.ts';

/**
 * Something that is shown: loaded at once, loaded again when the gateway says that it changed and after every outage.
 * Make it while a component is being set up; it ends with the component. `load` may read runes: a change of what it
 * reads before its first await loads anew and drops answers of the former load.
 */
export class Resource<Value> {
  value = $state.raw<Value | undefined>(undefined);
  error = $state.raw<unknown>(undefined);
  /** The first load, or one for other parameters, is under way. */
  loading = $state(true);
  #ask: () => void = () => undefined;

  constructor(load: (signal: AbortSignal) => Promise<Value>, concerns: (message: Invalidation) => boolean) {
    $effect(() => {
      let current = new AbortController();
      let first: Promise<Value> | null = load(current.signal);
      first.catch(() => undefined);
      this.loading = true;
      const refetcher = new Refetcher(async () => {
        const loading = first ?? load((current = new AbortController()).signal);
        first = null;
        await this.#settle(loading, current.signal);
      });
      this.#ask = () => refetcher.ask();
      untrack(() => refetcher.ask());
      const off = [
        connection.on('invalidate', (message) => {
          if (concerns(message)) refetcher.ask();
        }),
        connection.on('up', () => refetcher.ask()),
      ];
      return () => {
        refetcher.stop();
        current.abort();
        off.forEach((end) => end());
      };
    });
  }

  /** Loads again, as an announced change would. */
  refresh(): void {
    this.#ask();
  }

  async #settle(loading: Promise<Value>, signal: AbortSignal): Promise<void> {
    const level = this.value !== undefined && connection.phase !== 'live' ? connection.catchUp() : null;
    try {
      const value = await loading;
      if (signal.aborted) return;
      this.value = value;
      this.error = undefined;
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
    } finally {
      level?.();
      if (!signal.aborted) this.loading = false;
    }
  }
}
