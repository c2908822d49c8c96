import type { Machine } from "../../machine.ts";

/**
 * Asks each card one thing through another process before anything else is read from it: a driver that waits for dead
 * hardware keeps its readers for minutes, and must not keep this program. A card that did not answer is not asked again
 * until it did, so that it holds one process and no more.
 */
export class HangGuard {
  readonly #machine: Machine;
  readonly #patience: number;
  readonly #waiting = new Set<string>();

  /** @param patience Milliseconds until a card counts as hung. */
  constructor(machine: Machine, patience: number) {
    this.#machine = machine;
    this.#patience = patience;
  }

  /** First line of a file, "" where it cannot be read, which is an answer too; undefined while the driver keeps us waiting. */
  async ask(path: string): Promise<string | undefined> {
    if (this.#waiting.has(path)) return undefined;
    this.#waiting.add(path);
    const asked = this.#machine.readApart(path).then((text) => {
      this.#waiting.delete(path);
      return text ?? "";
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), this.#patience);
    });
    const answer = await Promise.race([asked, late]);
    clearTimeout(timer);
    return answer;
  }
}
