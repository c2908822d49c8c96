/** Milliseconds between two drawings. */
const pauseMs = 100;
const width = 24;

/** Where a line is drawn. */
export type ProgressTarget = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

/** A line on a terminal that is drawn again and again; elsewhere it writes nothing. */
export class ProgressLine {
  readonly #out: ProgressTarget;
  #drawn = Number.NEGATIVE_INFINITY;
  #isShown = false;

  constructor(out: ProgressTarget) {
    this.#out = out;
  }

  /** True on a terminal. */
  get isDrawn(): boolean {
    return this.#out.isTTY === true;
  }

  /** Draws the line, if the last time was not just now. */
  draw(line: () => string): void {
    const now = performance.now();
    if (!this.isDrawn || now - this.#drawn < pauseMs) return;
    this.#drawn = now;
    this.#isShown = true;
    // A terminal may not know its width, and say 0.
    this.#out.write(`\r\x1b[K${line().slice(0, (this.#out.columns || 80) - 1)}`);
  }

  /** Removes the line, so that others can be written; the next drawing does not wait. */
  clear(): void {
    if (this.#isShown) this.#out.write("\r\x1b[K");
    this.#isShown = false;
    this.#drawn = Number.NEGATIVE_INFINITY;
  }
}

/** "[######------------------] 25 %" @param part from 0 to 1 */
export function bar(part: number): string {
  const whole = Math.max(0, Math.min(1, part));
  const filled = Math.round(whole * width);
  return `[${"#".repeat(filled)}${"-".repeat(width - filled)}] ${Math.floor(whole * 100)} %`;
}
