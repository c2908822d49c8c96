/** Time that advances only by `pass`, in which pauses end one after the other. */
export class SimulatedTime {
  /** Milliseconds since the start. */
  now = 0;
  readonly #pauses: { until: number; end: () => void }[] = [];

  /** Resolves after so many milliseconds of this time, or when the signal aborts. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      signal?.addEventListener("abort", () => resolve());
      this.#pauses.push({ until: this.now + ms, end: resolve });
    });
  }

  /** Runs pending callbacks, without advancing time. */
  async settle(): Promise<void> {
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  async pass(seconds: number): Promise<void> {
    const end = this.now + seconds * 1000;
    await this.settle();
    for (;;) {
      this.#pauses.sort((a, b) => a.until - b.until);
      const next = this.#pauses[0];
      if (next === undefined || next.until > end) break;
      this.#pauses.shift();
      this.now = Math.max(this.now, next.until);
      next.end();
      await this.settle();
    }
    this.now = end;
  }
}
