/** Work that says, by a yield, where others may have a turn. */
export type Work<T> = Generator<void, T>;

/** It goes on for so long before it gives one: polls, pages and answers wait no longer for it. Milliseconds. */
const longest = 5;

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Does some work while other work of the program goes on in between. @returns undefined where it was stopped */
export async function inTurns<T>(work: Work<T>, stopped: () => boolean): Promise<T | undefined> {
  for (let since = performance.now(); ; ) {
    const { done, value } = work.next();
    if (done) return value;
    if (performance.now() - since < longest) continue;
    await turn();
    if (stopped()) return undefined;
    since = performance.now();
  }
}

/** Gives others a turn, in work that cannot be cut into steps, whenever it has gone on for long enough. */
export class Yielder {
  #since = performance.now();

  get due(): boolean {
    return performance.now() - this.#since >= longest;
  }

  async rest(): Promise<void> {
    if (!this.due) return;
    await turn();
    this.#since = performance.now();
  }
}

/** Does some work at once, whatever waits. @returns undefined where it was given up half-way */
export function atOnce<T>(work: Work<T>): T;
export function atOnce<T>(work: Work<T>, late: () => boolean): T | undefined;
export function atOnce<T>(work: Work<T>, late: () => boolean = () => false): T | undefined {
  while (!late()) {
    const { done, value } = work.next();
    if (done) return value;
  }
  return undefined;
}
