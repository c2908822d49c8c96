import type { Card } from "../../machine/drm/drm.ts";
import type { Machine } from "../../machine/machine.ts";

/** Memory and logic errors of one block of the chip since the driver was loaded. */
export interface Errors {
  readonly corrected: number;
  readonly uncorrected: number;
}

/** Lines "ue: 0" and "ce: 1"; undefined where the driver says that it cannot be asked now. */
export function parseErrors(text: string): Errors | undefined {
  const field = (name: string): number | undefined => {
    const digits = new RegExp(`^${name}: (\\d{1,15})$`, "m").exec(text)?.[1];
    return digits === undefined ? undefined : Number(digits);
  };
  const uncorrected = field("ue");
  const corrected = field("ce");
  return uncorrected === undefined || corrected === undefined ? undefined : { corrected, uncorrected };
}

/** Milliseconds between two questions: each makes the firmware go through the error banks of the whole chip. */
const every = 60_000;

/**
 * Error counts of one card, summed over its blocks (Documentation/gpu/amdgpu/ras.rst). A block that does not answer
 * keeps what it said last: a sum without it would look as if errors had been taken back.
 */
export class Ras {
  readonly #machine: Machine;
  readonly #folder: string;
  readonly #blocks = new Map<string, Errors>();
  #asked = Number.NEGATIVE_INFINITY;

  constructor(machine: Machine, card: Card) {
    this.#machine = machine;
    this.#folder = `${card.folder}/ras`;
  }

  /** Undefined where the card counts no errors. */
  read(): Errors | undefined {
    const now = this.#machine.ticks();
    if (now - this.#asked >= every) {
      this.#asked = now;
      for (const name of this.#machine.list(this.#folder)) {
        if (!name.endsWith("_err_count")) continue;
        const errors = parseErrors(this.#machine.read(`${this.#folder}/${name}`) ?? "");
        if (errors !== undefined) this.#blocks.set(name, errors);
      }
    }
    if (this.#blocks.size === 0) return undefined;
    let corrected = 0;
    let uncorrected = 0;
    for (const block of this.#blocks.values()) {
      corrected += block.corrected;
      uncorrected += block.uncorrected;
    }
    return { corrected, uncorrected };
  }
}
