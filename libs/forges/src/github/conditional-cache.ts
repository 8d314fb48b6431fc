/** What was last read from an address, with the tag under which the server knows it. */
export interface CachedResponse {
  readonly etag: string;
  readonly headers: Readonly<Record<string, string | number | undefined>>;
  readonly data: unknown;
}

/** The most recently used responses by address; bounded, in memory only. */
export class ConditionalCache {
  readonly #entries = new Map<string, CachedResponse>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(address: string): CachedResponse | undefined {
    const found = this.#entries.get(address);
    if (found) this.set(address, found);
    return found;
  }

  set(address: string, response: CachedResponse): void {
    this.#entries.delete(address);
    this.#entries.set(address, response);
    if (this.#entries.size <= this.#limit) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
