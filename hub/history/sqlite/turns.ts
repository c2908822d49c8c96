import { checkSignal } from "../store.ts";

/** Work in steps, with a yield wherever other work may run. */
export type Work<T> = Generator<void, T>;

/** Runs for this long before other work (polls, pages, answers) has its turn. */
const longestMs = 5;

/** Lets everything that waits run once. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Does work in turns with the rest of the program. @returns undefined if it was stopped */
export async function inTurns<T>(work: Work<T>, stopped: () => boolean): Promise<T | undefined> {
  for (let since = performance.now(); ; ) {
    const { done, value } = work.next();
    if (done) return value;
    if (performance.now() - since < longestMs) continue;
    await turn();
    if (stopped()) return undefined;
    since = performance.now();
  }
}

/** Yields to the event loop in work that is not a generator. */
export class Yielder {
  readonly #signal: AbortSignal | undefined;
  #since = performance.now();

  /** @throws Fault canceled */
  constructor(signal?: AbortSignal) {
    checkSignal(signal);
    this.#signal = signal;
  }

  /** True if other work has waited for long enough. */
  get due(): boolean {
    return performance.now() - this.#since >= longestMs;
  }

  /** Lets other work run if that is due. @throws Fault canceled */
  async yield(): Promise<void> {
    if (!this.due) return;
    await turn();
    checkSignal(this.#signal);
    this.#since = performance.now();
  }
}

/** Does work without yielding. @returns undefined if it was given up, as `late` wanted */
export function atOnce<T>(work: Work<T>): T;
export function atOnce<T>(work: Work<T>, late: () => boolean): T | undefined;
export function atOnce<T>(work: Work<T>, late: () => boolean = () => false): T | undefined {
  while (!late()) {
    const { done, value } = work.next();
    if (done) return value;
  }
  return undefined;
}
