import type { Sentence } from "../sentence.ts";
import { trouble } from "../trouble.ts";

/** Reports that an estimate is made of. */
const most = 8;

/**
 * Estimates how far a host's clock is ahead of the hub's. A report is older than its time of arrival by the time that it was
 * on its way, so the greatest difference of the last reports is the best estimate.
 */
export class SkewMeter {
  readonly #differences: number[] = [];

  /** Takes the time of a report. @returns milliseconds; undefined if no report had a time */
  add(sampled: bigint | undefined, now: number): number | undefined {
    if (sampled !== undefined && this.#differences.push(Number(sampled) - now) > most) this.#differences.shift();
    return this.#differences.length === 0 ? undefined : Math.max(...this.#differences);
  }
}

/** Describes a skew to administrators. */
export function skewTrouble(skewMs: number): Sentence {
  return skewMs > 0 ? trouble("clock_ahead", { skewMs }) : trouble("clock_behind", { skewMs: -skewMs });
}
