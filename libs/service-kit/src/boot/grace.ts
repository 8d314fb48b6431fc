/** The time in which something has to end, shared by all its parts; what took longer is known by name. */
export class Grace {
  private readonly endsAt: number;
  private readonly names: string[] = [];

  constructor(graceMs: number) {
    this.endsAt = performance.now() + graceMs;
  }

  get leftMs(): number {
    return Math.max(0, this.endsAt - performance.now());
  }

  /** What had not ended when its time was over. */
  get late(): readonly string[] {
    return this.names;
  }

  /** Waits for `work` while there is time, though at least `atLeastMs`: a late part is no reason to skip the next. Its error is thrown. */
  async wait(name: string, work: Promise<unknown>, atLeastMs = 0): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<'over'>((resolve) => {
      timer = setTimeout(() => resolve('over'), Math.max(this.leftMs, atLeastMs));
    });
    try {
      if ((await Promise.race([work, over])) !== 'over') return;
      this.names.push(name);
      work.catch(() => undefined); // nobody waits for it any more
    } finally {
      clearTimeout(timer);
    }
  }
}
