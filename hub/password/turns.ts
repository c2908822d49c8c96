import { Fault } from "../fault.ts";

/** Hashes that are made at the same time: each takes a processor and 32 MiB. */
const atOnce = 2;
/** Of these, hashes for strangers: however many come, one processor is left, and nobody who is known waits for them. */
const atOnceForStrangers = 1;
/** Most hashes that wait for their turn: some seconds of work. */
const waitingLimit = 32;

/** Who waits for a turn, as far as it decides whose is next. */
export interface Standing {
  /** True if they have proved who they are: here and now, or where they signed in before. */
  readonly known: boolean;
  /** Attempts that came before from the same network; for those who are known, their own. */
  readonly earlier: number;
  /** Attempts from networks near it. */
  readonly near: number;
}

/** Of somebody who has proved who they are. */
export const known: Standing = { known: true, earlier: 0, near: 0 };

interface Waiting {
  readonly standing: Standing;
  start(): void;
  refuse(fault: Fault): void;
}

/**
 * Gives turns to make hashes. Those who are known come first, the longest waiting before others. Of strangers, those from
 * networks that have attempted least come first, so that a thousand networks with many attempts each are one attempt ahead at
 * most; among equals the newest, as who has waited long under an attack has given up. If too many wait, the last in this order
 * is refused, which may be one that waited already: nobody can fill the queue before others come.
 */
export class Turns {
  #knownRunning = 0;
  #strangersRunning = 0;
  /** In the order of arrival. */
  readonly #waiting: Waiting[] = [];

  /** Does the work in its turn. @throws Fault too_many_attempts, and what the work throws */
  async run<T>(standing: Standing, work: () => Promise<T>): Promise<T> {
    await this.#turn(standing);
    try {
      return await work();
    } finally {
      this.#count(standing, -1);
      this.#startNext();
    }
  }

  #turn(standing: Standing): Promise<void> | undefined {
    if (this.#isFree(standing)) {
      this.#count(standing, 1);
      return undefined;
    }
    return new Promise((start, refuse) => {
      this.#waiting.push({ standing, start, refuse });
      const last = this.#waiting.length > waitingLimit ? this.#inOrder().at(-1) : undefined;
      if (last === undefined) return;
      this.#remove(last);
      const message = "Too many people sign in at the moment: try again in some seconds.";
      last.refuse(new Fault("too_many_attempts", message, { retryAfter: 5 }));
    });
  }

  #startNext(): void {
    for (const one of this.#inOrder()) {
      if (!this.#isFree(one.standing)) continue;
      this.#remove(one);
      this.#count(one.standing, 1);
      one.start();
    }
  }

  /** Strangers who wait keep the place that is theirs, too: so neither group can keep the other from its turns. */
  #isFree({ known }: Standing): boolean {
    if (this.#knownRunning + this.#strangersRunning >= atOnce) return false;
    if (!known) return this.#strangersRunning < atOnceForStrangers;
    return this.#knownRunning < atOnce - atOnceForStrangers || !this.#waiting.some((one) => !one.standing.known);
  }

  #inOrder(): Waiting[] {
    const order = (a: Waiting, b: Waiting): number =>
      a.standing.earlier - b.standing.earlier || a.standing.near - b.standing.near;
    const all = this.#waiting;
    const strangers = all.filter(({ standing }) => !standing.known).reverse();
    return [...all.filter(({ standing }) => standing.known).sort(order), ...strangers.sort(order)];
  }

  #count({ known }: Standing, by: 1 | -1): void {
    if (known) this.#knownRunning += by;
    else this.#strangersRunning += by;
  }

  #remove(one: Waiting): void {
    this.#waiting.splice(this.#waiting.indexOf(one), 1);
  }
}
