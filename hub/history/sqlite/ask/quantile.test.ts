import fc from "fast-check";
import { expect, test } from "vitest";
import { Quantiles } from "./quantile.ts";

const least95 = (samples: readonly number[]): number =>
  [...samples].sort((a, b) => a - b)[Math.ceil((95 * samples.length) / 100) - 1] ?? Number.NaN;

test("p95 is told of every point, however many samples it has and in whatever pieces they come", () => {
  const piece = fc.record({ length: fc.oneof(fc.nat(30), fc.nat(12_000)), seed: fc.nat(1000) });
  const points = fc.array(fc.array(piece, { maxLength: 4 }), { minLength: 1, maxLength: 12 });
  const samplesOf = ({ length, seed }: { length: number; seed: number }): number[] =>
    Array.from({ length }, (_, i) => (i % 13 === 5 ? Number.NaN : (((i + seed) * 7919) % 100_003) + 500 * seed));
  fc.assert(
    fc.property(points, fc.nat(12), (given, skipped) => {
      const skip = Math.min(skipped, given.length);
      const spread = new Quantiles();
      // What was before is forgotten.
      spread.begin();
      spread.add(samplesOf({ length: 20_000, seed: 1 }));
      spread.clear();
      for (const pieces of given) {
        spread.begin();
        for (const one of pieces) spread.add(samplesOf(one));
      }
      const wanted = given.map((pieces) =>
        least95(pieces.flatMap(samplesOf).filter((sample) => !Number.isNaN(sample))),
      );
      expect([...spread.percentiles(skip)]).toEqual(wanted.slice(skip));
    }),
    { numRuns: 60 },
  );
});
