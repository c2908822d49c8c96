/**
 * Bounds how many polls are under way. Hosts that are not known to answer may take up half of the places at most: a
 * rack that has lost its power must not make the others wait.
 */
export class Gate {
  size: number;
  readonly #waiting = { sure: [] as (() => void)[], unsure: [] as (() => void)[] };
  #taken = 0;
  #unsure = 0;
  #admitting = false;

  constructor(size: number) {
    this.size = size;
  }

  /** Runs `enter` when there is a place; it must be given back with leave(). */
  enter(sure: boolean, enter: () => void): void {
    this.#waiting[sure ? "sure" : "unsure"].push(enter);
    this.#admit();
  }

  leave(sure: boolean): void {
    this.#taken--;
    if (!sure) this.#unsure--;
    this.#admit();
  }

  /** Polls that end at once, as those of removed machines do, come back here from `next`: the loop goes on with their places. */
  #admit(): void {
    if (this.#admitting) return;
    this.#admitting = true;
    try {
      this.#admitAll();
    } finally {
      this.#admitting = false;
    }
  }

  #admitAll(): void {
    while (this.#taken < this.size) {
      const sure = this.#waiting.sure.shift();
      const unsure = sure || this.#unsure >= Math.floor(this.size / 2) ? undefined : this.#waiting.unsure.shift();
      const next = sure ?? unsure;
      if (next === undefined) return;
      this.#taken++;
      if (unsure) this.#unsure++;
      next();
    }
  }
}
