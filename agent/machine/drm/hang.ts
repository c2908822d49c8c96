import type { Machine } from "../machine.ts";

/**
 * Probes each card through another process before it is read: a driver that waits for dead hardware blocks its readers for
 * minutes, and must not block this program. A card is not probed again before it has answered, so that it blocks one process
 * at most.
 */
export class HangGuard {
  readonly #machine: Machine;
  readonly #timeoutMs: number;
  readonly #waiting = new Set<string>();

  /** @param timeoutMs Time until a card counts as hung. */
  constructor(machine: Machine, timeoutMs: number) {
    this.#machine = machine;
    this.#timeoutMs = timeoutMs;
  }

  /** Reads the first line of a file; "" if it cannot be read, which is an answer too; undefined while the driver blocks. */
  async ask(path: string): Promise<string | undefined> {
    if (this.#waiting.has(path)) return undefined;
    this.#waiting.add(path);
    const asked = this.#machine.readApart(path).then((text) => {
      this.#waiting.delete(path);
      return text ?? "";
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), this.#timeoutMs);
    });
    const answer = await Promise.race([asked, late]);
    clearTimeout(timer);
    return answer;
  }
}
