import fc from "fast-check";
import { expect, test } from "vitest";
import type { Buckets } from "../bucket.ts";
import { CorruptChunk, encode, open } from "../codec.ts";
import { BucketReader, checkBuckets, encodeBuckets } from "./rollup.ts";

const empty = (buckets: number): Buckets => ({
  count: new Float64Array(buckets),
  min: new Float64Array(buckets),
  max: new Float64Array(buckets),
  sum: new Float64Array(buckets),
});

const plain = ({ count, min, max, sum }: Buckets): number[][] =>
  [count, min, max, sum].map((values) => [...values].map((value) => value + 0));

function decode(bytes: Uint8Array): number[][][] {
  checkBuckets(bytes);
  const chunk = new BucketReader(bytes);
  return Array.from({ length: chunk.width }, () => {
    const out = empty(chunk.buckets);
    chunk.next(out);
    return plain(out);
  });
}

/** What a bucket keeps of its samples. */
function summary(samples: readonly number[], counter: boolean): [count: number, min: number, max: number, sum: number] {
  const { NaN: absent } = Number;
  if (samples.length === 0) return [0, absent, absent, absent];
  const sum = counter ? (samples.at(-1) ?? absent) : samples.reduce((a, b) => a + b);
  return [samples.length, Math.min(...samples), Math.max(...samples), sum];
}

function bucketsOf(samples: readonly (readonly number[])[], counter = false): Buckets {
  const rows = samples.map((bucket) => summary(bucket, counter));
  const column = (at: 0 | 1 | 2 | 3): Float64Array => Float64Array.from(rows, (row) => row[at]);
  return { count: column(0), min: column(1), max: column(2), sum: column(3) };
}

const whole = fc.integer({ min: -(2 ** 31), max: 2 ** 31 });
const value = fc.constantFrom<fc.Arbitrary<number>[]>(
  fc.integer({ min: 0, max: 100 }),
  whole,
  whole.map((n) => n * 2 ** 16),
  fc.integer({ min: 0, max: 10_000 }).map((n) => n / 100),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }),
  fc.constant(0),
);

/** Series of the same number of buckets, gauges and counters, with empty buckets here and there. */
const series = fc.integer({ min: 1, max: 60 }).chain((buckets) =>
  fc.array(
    fc
      .tuple(value, fc.boolean())
      .chain(([one, counter]) =>
        fc
          .array(fc.array(one, { maxLength: 8 }), { minLength: buckets, maxLength: buckets })
          .map((samples) => bucketsOf(counter ? samples.map((s) => s.toSorted((a, b) => a - b)) : samples, counter)),
      ),
    { minLength: 1, maxLength: 5 },
  ),
);

test("buckets of gauges and counters come back as they were", () => {
  fc.assert(
    fc.property(series, (made) => {
      expect(decode(encodeBuckets(made, made[0]?.count.length ?? 0))).toEqual(made.map(plain));
    }),
    { numRuns: 300, endOnFailure: true },
  );
});

test("columns that are no summary of anything come back as they were", () => {
  const any = fc.double();
  const row = fc.tuple(fc.oneof(any, fc.constantFrom(0, 1, 30)), any, any, any);
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 40 }), (rows) => {
      const column = (at: 0 | 1 | 2 | 3): Float64Array => Float64Array.from(rows, (one) => one[at]);
      const made = { count: column(0), min: column(1), max: column(2), sum: column(3) };
      expect(decode(encodeBuckets([made], rows.length))).toEqual([plain(made)]);
    }),
    { numRuns: 500, endOnFailure: true },
  );
});

test("sums are exact up to 2^53", () => {
  const made = bucketsOf([[2 ** 52, 2 ** 52], [2 ** 53], [2 ** 53 - 1], [1], []]);
  expect(decode(encodeBuckets([made], 5))).toEqual([plain(made)]);
});

test("buckets behind the number given are left out", () => {
  const chunk = new BucketReader(encodeBuckets([bucketsOf([[1], [2], [3]])], 2));
  const out = empty(3);
  out.max.fill(9);
  chunk.next(out);
  expect(chunk.buckets).toBe(2);
  expect([...out.max]).toEqual([1, 2, 9]);
});

test("a chunk of buckets with any one bit turned, or cut short, is refused", () => {
  const bytes = encodeBuckets(
    [
      bucketsOf([
        [1, 2, 9],
        [3, 4],
        [5, 7, 8],
      ]),
      bucketsOf([[100], [], [300, 200]]),
    ],
    3,
  );
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = bytes.slice();
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(() => checkBuckets(damaged), `bit ${bit}`).toThrow(CorruptChunk);
  }
  for (let length = 0; length < bytes.length; length++) {
    expect(() => checkBuckets(bytes.subarray(0, length)), `${length} bytes`).toThrow(CorruptChunk);
  }
});

test("a chunk of columns is no chunk of buckets", () => {
  const bytes = encode([new Float64Array(4)], 4);
  expect(open(bytes).width).toBe(1);
  expect(() => decode(bytes)).toThrow(CorruptChunk);
});

test("a series that is not asked for is passed over; behind the last one there is nothing to read", () => {
  const chunk = new BucketReader(encodeBuckets([bucketsOf([[1], [2, 300]]), bucketsOf([[7], [9]])], 2));
  const out = empty(2);
  chunk.next(undefined);
  chunk.next(out);
  expect([...out.max]).toEqual([7, 9]);
  expect(() => chunk.next(out)).toThrow(RangeError);
});

test("a series that goes on behind its length is refused, not read out of the next one", () => {
  const made = encodeBuckets([bucketsOf([[1], [2, 300], [7]]), bucketsOf([[7], [9], [8]])], 3);
  // Behind the checksum, the number of buckets and that of series.
  made[6] = (made[6] ?? 0) - 1;
  expect(() => new BucketReader(made).next(empty(3))).toThrow(CorruptChunk);
});

test("whatever stands in a chunk whose checksum is right, reading it ends with buckets or says that it is damaged", () => {
  const made = encodeBuckets([bucketsOf([[1, 300], [], [70_000, 2 ** 40]]), bucketsOf([[0.5], [2], [3]])], 3);
  const out = empty(3);
  const read = (bytes: Uint8Array): void => {
    const chunk = new BucketReader(bytes);
    for (let i = 0; i < Math.min(chunk.width, 4) && chunk.buckets <= 3; i++) chunk.next(out);
  };
  const change = fc.record({ place: fc.nat({ max: made.length - 1 }), byte: fc.integer({ min: 0, max: 255 }) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), fc.nat({ max: made.length }), (changes, length) => {
      const bytes = made.slice(0, length);
      for (const { place, byte } of changes) if (place < length) bytes[place] = byte;
      try {
        read(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(CorruptChunk);
      }
    }),
    { numRuns: 3000, endOnFailure: true },
  );
});

test("equal counts and a value that never moved cost almost nothing", () => {
  const still = bucketsOf(Array.from({ length: 48 }, () => Array.from({ length: 30 }, () => 77)));
  expect(
    encodeBuckets(
      Array.from({ length: 8 }, () => still),
      48,
    ).length,
  ).toBeLessThan(128);
});
