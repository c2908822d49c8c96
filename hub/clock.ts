/** Time as the hub sees it; passed in, so that tests need not wait. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  /** Runs once, `ms` milliseconds from now; the function it returns calls that off. */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
