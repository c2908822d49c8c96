import { randomBytes } from "node:crypto";
import type { Sentence } from "../../sentence.ts";

/** How long the page may ask for a failure, and most that are remembered. */
const keptMs = 600_000;
const mostKept = 1000;

/** Why a sign-in at the provider failed, and the page where the person was. */
export interface Outcome {
  readonly sentence: Sentence;
  /** From # on. */
  readonly to: string;
}

/**
 * Failures of sign-ins at the provider, until the page has asked for them: its address has a random number only, as nobody
 * must be able to make a link with which the hub's page says something else.
 */
export class Outcomes {
  readonly #ticks: () => number;
  /** The oldest first. */
  readonly #kept = new Map<string, Outcome & { readonly at: number }>();

  constructor(ticks: () => number = () => performance.now()) {
    this.#ticks = ticks;
  }

  /** @returns the number of a failure */
  add(outcome: Outcome): string {
    const id = randomBytes(16).toString("base64url");
    this.#kept.set(id, { ...outcome, at: this.#ticks() });
    const oldest = this.#kept.keys().next();
    if (this.#kept.size > mostKept && !oldest.done) this.#kept.delete(oldest.value);
    return id;
  }

  /** The failure of a number; undefined if it is not known any more. */
  get(id: string): Outcome | undefined {
    const found = this.#kept.get(id);
    return found !== undefined && this.#ticks() - found.at <= keptMs ? found : undefined;
  }
}
