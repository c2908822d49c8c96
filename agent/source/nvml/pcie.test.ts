import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesPerSecond } from "./pcie.ts";

const wrap = 2n ** 32n;

test.each([
  ["a count of 32 bits", 1000n, 21_000_000n, 20, {}, 1_049_950_000n],
  ["one that passed through 0", wrap - 1n, 19n, 20, {}, 1000n],
  ["one that stood still", 7n, 7n, 20, {}, 0n],
  ["64 bits", wrap, wrap + 64n, 20, {}, 3200n],
  ["64 bits that only now need more than 32", wrap - 32n, wrap + 32n, 20, {}, 3200n],
  ["64 bits that went back", 2n * wrap, wrap, 20, {}, undefined],
  ["more than such a link can carry", 0n, 200_000_000n, 20, { generation: 3, width: 4 }, undefined],
  [
    "two readings so far apart that 32 bits may have wrapped twice",
    0n,
    5n,
    68,
    { generation: 5, width: 16 },
    undefined,
  ],
  ["the same on a link where they cannot", 0n, 680n, 68, { generation: 4, width: 16 }, 10_000n],
  ["64 bits, however far apart", wrap, wrap + 10_000n, 10_000, { generation: 5, width: 16 }, 1000n],
  ["no time at all", 0n, 5n, 0, {}, undefined],
])("%s: from %d to %d in %d ms", (_, from, to, span, road, rate) => {
  expect(bytesPerSecond({ from, to, span }, road)).toBe(rate);
});

test("whatever a link carries in 20 ms is told, wherever its count of 32 bits stood", () => {
  const road = fc.record({ generation: fc.integer({ min: 1, max: 6 }), width: fc.constantFrom(1, 4, 8, 16) });
  fc.assert(
    fc.property(
      road,
      fc.bigInt({ min: 0n, max: wrap - 1n }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (link, from, part) => {
        const bytes = BigInt(Math.floor(part * link.width * 250_000_000 * 2 ** (link.generation - 1) * 0.02));
        expect(bytesPerSecond({ from, to: (from + bytes) % wrap, span: 20 }, link)).toBe(bytes * 50n);
      },
    ),
  );
});
