/** Most addresses that are remembered. */
const mostAddresses = 4;

/**
 * Finds out whether reports with one token come from several addresses by turns, as those of copies of one machine do. A
 * machine that moves does not come back at once.
 */
export class Turns {
  /** Times of the last report from each address, in milliseconds, the most recent last. */
  readonly #heard = new Map<string, number>();

  /**
   * Takes a report.
   * @param withinMs in which a machine reports several times
   * @returns the address of the report before, if this one's address was heard from shortly before that
   */
  take(address: string, at: number, withinMs: number): string | undefined {
    const heard = this.#heard.get(address);
    const before = [...this.#heard.keys()].at(-1);
    this.#heard.delete(address);
    this.#heard.set(address, at);
    for (const oldest of this.#heard.keys()) {
      if (this.#heard.size <= mostAddresses) break;
      this.#heard.delete(oldest);
    }
    const isBack = before !== address && heard !== undefined && Math.abs(at - heard) <= withinMs;
    return isBack ? before : undefined;
  }
}
