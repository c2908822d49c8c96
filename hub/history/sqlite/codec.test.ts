import { crc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CorruptChunk, column, encode, open } from "./codec.ts";

const counts = fc.oneof(fc.constantFrom(1, 2, 3, 31, 32, 33, 48, 1440, 5000), fc.integer({ min: 1, max: 300 }));

/** A column of `count` values from numbers below 1, so that a failing one is told by its seed and kind. */
type Kind = (random: () => number, i: number, before: number) => number;

const kinds: Readonly<Record<string, Kind>> = {
  absent: () => Number.NaN,
  constant: () => 42,
  "constant fraction": () => 53.71,
  utilization: (random) => Math.floor(random() * 101),
  steps: (random, _, before) => (random() < 0.02 ? Math.floor(random() * 8e10) : before),
  bytes: (random, _, before) => before + 2 * 1_048_576 * Math.floor(random() * 3 - 1),
  power: (random, i) => Math.round(500_000 + 90_000 * Math.sin(i / 50) + 20_000 * random()),
  counter: (random, _, before) => before + Math.floor(random() * 2 ** 36),
  "clock with gaps": (random, i) => 1.8e12 + i * 10_000 + Math.floor(random() * 6) + (i > 40 ? 70_000 : 0),
  decimals: (random) => Math.round(random() * 10_000) / 100,
  "four places": (random) => Math.round(random() * 1e9) / 10_000,
  permille: (random) => Math.round(random() * 100) * 10,
  single: (random) => Math.fround(random() * 100),
  doubles: (random) => random() * 100,
  extremes: (random) =>
    [5e-324, -5e-324, 1e308, -1e308, 2 ** 53, -(2 ** 53), 2 ** 53 + 2, 2 ** 63, 0, 1, -1, 0.1, 1e-300][
      Math.floor(random() * 13)
    ] ?? 0,
  "whole extremes": (random) =>
    [2 ** 53, -(2 ** 53), 2 ** 48, 2 ** 31, -(2 ** 31), 0, 1][Math.floor(random() * 7)] ?? 0,
  "wide noise": (random) => Math.floor(random() * 2 ** 47),
  "narrow noise": (random) => Math.floor(random() * 2 ** 30),
  "any bits": (random) => {
    const words = Uint32Array.of(random() * 2 ** 32, random() * 2 ** 32);
    return new Float64Array(words.buffer)[0] ?? 0;
  },
};

interface EncodedSeries {
  readonly columns: Float64Array[];
  readonly count: number;
}

const columns: fc.Arbitrary<EncodedSeries> = fc
  .record({
    count: counts,
    of: fc.array(
      fc.record({
        kind: fc.constantFrom(...Object.keys(kinds)),
        gaps: fc.constantFrom(0, 0, 0, 0.02, 0.5, 0.98),
        seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      }),
      { maxLength: 6 },
    ),
  })
  .map(({ count, of }) => ({ count, columns: of.map((one) => make(one, count)) }));

/** xorshift32: numbers from 0 to 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function make({ kind, gaps, seed }: { kind: string; gaps: number; seed: number }, count: number): Float64Array {
  const random = randomFrom(seed);
  let before = 0;
  return Float64Array.from({ length: count }, (_, i) => {
    before = kinds[kind]?.(random, i, before) ?? Number.NaN;
    return random() < gaps ? Number.NaN : before;
  });
}

/** -0 may become 0. */
const plain = (values: Float64Array): number[] => [...values].map((value) => value + 0);

function decode(bytes: Uint8Array): number[][] {
  const chunk = open(bytes);
  return Array.from({ length: chunk.width }, (_, index) => {
    const out = new Float64Array(chunk.count);
    column(chunk, index, out);
    return plain(out);
  });
}

/** The first value that did not come back. Said by itself: a diff of long columns would take minutes to print. */
function lost(given: readonly Float64Array[], bytes: Uint8Array): string | undefined {
  const back = decode(bytes);
  if (back.length !== given.length) return `${back.length} columns of ${given.length}`;
  for (const [index, values] of given.entries()) {
    const at = plain(values).findIndex((value, i) => !Object.is(value, back[index]?.[i]));
    if (at >= 0) return `column ${index}, value ${at}: ${values[at]} came back as ${back[index]?.[at]}`;
  }
  return undefined;
}

/** Place of the first value that did not come back, -1 without one. */
const lostIn = (given: Float64Array | undefined, back: Float64Array): number =>
  back.findIndex((value, i) => !Object.is(value, given?.[i]));

/** Bytes with a checksum that is right. */
function sealed(rest: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(rest.length + 4);
  chunk.set(rest, 4);
  new DataView(chunk.buffer).setUint32(0, crc32(rest), true);
  return chunk;
}

/** Decodes what may be no chunk: CorruptChunk is the only error that may come. */
function refuses(bytes: Uint8Array): boolean {
  try {
    decode(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(CorruptChunk);
    return true;
  }
  return false;
}

test("every mix of columns comes back as it was", () => {
  fc.assert(
    fc.property(columns, ({ columns, count }) => {
      expect(lost(columns, encode(columns, count))).toBeUndefined();
    }),
    { numRuns: 300, endOnFailure: true },
  );
});

test("any doubles come back as they were", () => {
  const any = fc.array(fc.double(), { minLength: 1, maxLength: 60 }).map((values) => Float64Array.from(values));
  fc.assert(
    fc.property(any, (values) => {
      expect(lost([values], encode([values], values.length))).toBeUndefined();
    }),
    { numRuns: 500, endOnFailure: true },
  );
});

test.each(Object.keys(kinds))("100,000 values come back as they were: %s", (kind) => {
  const values = make({ kind, gaps: 0, seed: 7 }, 100_000);
  expect(lost([values], encode([values], values.length))).toBeUndefined();
});

test("4,096 columns come back as they were", () => {
  const wide = Array.from({ length: 4096 }, (_, i) =>
    make({ kind: "power", gaps: i % 64 === 0 ? 0.1 : 0, seed: i + 1 }, 48),
  );
  expect(lost(wide, encode(wide, 48))).toBeUndefined();
});

test("values behind the count are left out", () => {
  const chunk = open(encode([Float64Array.of(1, 2, 3, 4)], 2));
  const out = Float64Array.of(9, 9, 9, 9);
  column(chunk, 0, out);
  expect([...out]).toEqual([1, 2, 9, 9]);
});

test("chunks that are open at the same time do not disturb each other", () => {
  fc.assert(
    fc.property(fc.array(columns, { minLength: 2, maxLength: 4 }), (made) => {
      const chunks = made.map(({ columns, count }) => open(encode(columns, count)));
      const most = Math.max(...made.map(({ columns }) => columns.length));
      for (let index = 0; index < most; index++) {
        for (const [at, { columns, count }] of made.entries()) {
          const chunk = chunks[at];
          const wanted = columns[index];
          if (chunk === undefined || wanted === undefined) continue;
          const out = new Float64Array(count);
          column(chunk, index, out);
          expect(plain(out)).toEqual(plain(wanted.subarray(0, count)));
        }
      }
    }),
    { numRuns: 50, endOnFailure: true },
  );
});

test("a chunk that proves to be damaged does not disturb one that is read at the same time", () => {
  const given = [1, 2].map((seed) => make({ kind: "utilization", gaps: 0, seed }, 1440));
  const chunk = open(encode(given, 1440));
  const bytes = encode([make({ kind: "utilization", gaps: 0, seed: 3 }, 1440)], 1440);
  const out = new Float64Array(1440);
  let refused = 0;
  for (let at = 4; at < 200; at++) {
    column(chunk, 0, out);
    const damaged = bytes.slice(4);
    damaged[at - 4] = (damaged[at - 4] ?? 0) ^ 0xff;
    if (refuses(sealed(damaged))) refused++;
    column(chunk, 1, out);
    expect(lostIn(given[1], out), `byte ${at}`).toBe(-1);
  }
  expect(refused).toBeGreaterThan(10);
});

test("a chunk may lie anywhere in a buffer", () => {
  const values = make({ kind: "power", gaps: 0, seed: 3 }, 500);
  const bytes = encode([values], 500);
  for (const at of [0, 1, 2, 3]) {
    const buffer = new Uint8Array(bytes.length + 8).fill(0xff);
    buffer.set(bytes, at);
    expect(decode(buffer.subarray(at, at + bytes.length))).toEqual([plain(values)]);
  }
});

const small = [
  make({ kind: "power", gaps: 0, seed: 5 }, 40),
  make({ kind: "decimals", gaps: 0.2, seed: 6 }, 40),
  make({ kind: "doubles", gaps: 0, seed: 8 }, 40),
];

test("a chunk with any one bit turned is refused", () => {
  const bytes = encode(small, 40);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = bytes.slice();
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(() => open(damaged), `bit ${bit}`).toThrow(CorruptChunk);
  }
});

test("a chunk cut short anywhere, or with a byte more, is refused", () => {
  const bytes = encode(small, 40);
  for (let length = 0; length < bytes.length; length++) {
    expect(() => open(bytes.subarray(0, length)), `${length} bytes`).toThrow(CorruptChunk);
    expect(refuses(sealed(bytes.subarray(4, Math.max(4, length))))).toBe(true);
  }
  expect(() => open(Uint8Array.of(...bytes, 0))).toThrow(CorruptChunk);
  expect(() => open(sealed(Uint8Array.of(...bytes.subarray(4), 0)))).toThrow(CorruptChunk);
});

test("random bytes are refused, even with a right checksum", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(() => open(bytes)).toThrow(CorruptChunk);
      refuses(sealed(bytes));
      refuses(sealed(Uint8Array.of(1, ...bytes)));
    }),
    { numRuns: 2000 },
  );
});

test("a chunk changed anywhere, with a right checksum, decodes to anything or is refused, and ends", () => {
  const bytes = encode(small, 40);
  fc.assert(
    fc.property(fc.integer({ min: 4, max: bytes.length - 1 }), fc.integer({ min: 0, max: 255 }), (at, byte) => {
      const damaged = bytes.slice(4);
      damaged[at - 4] = byte;
      refuses(sealed(damaged));
    }),
    { numRuns: 3000 },
  );
});

test.each([0, -1, 1.5, Number.NaN, 2 ** 24 + 1])("a count of %d is not encoded", (count) => {
  expect(() => encode([new Float64Array(4)], count)).toThrow(RangeError);
});

test("a column shorter than the count is not encoded", () => {
  expect(() => encode([new Float64Array(4)], 5)).toThrow("Column 0 has 4 values: must have 5");
});

test("a column that the chunk does not have, or that does not fit, is not read", () => {
  const chunk = open(encode([new Float64Array(4)], 4));
  expect(() => column(chunk, 1, new Float64Array(4))).toThrow(RangeError);
  expect(() => column(chunk, -1, new Float64Array(4))).toThrow(RangeError);
  expect(() => column(chunk, 0, new Float64Array(3))).toThrow(RangeError);
});

test.each([
  ["nothing", "absent", 16],
  ["a constant", "constant", 20],
  ["whole percent", "utilization", 1440 * 0.9],
  ["memory in steps", "steps", 300],
  ["a clock with jitter", "clock with gaps", 1440 * 0.45],
  ["two decimals", "decimals", 1440 * 1.75],
  ["per mille in whole percent", "permille", 1440 * 0.9],
] as const)("%s takes little room", (_, kind, most) => {
  expect(encode([make({ kind, gaps: 0, seed: 11 }, 1440)], 1440).length).toBeLessThanOrEqual(most);
});

test("a few values do not carry tables", () => {
  // 48 values with 14.3 bits of noise each take 86 bytes at the least; with tables of their own it would be 116.
  expect(encode([make({ kind: "power", gaps: 0, seed: 5 }, 48)], 48).length).toBeLessThanOrEqual(114);
});

test("columns wholly absent or the same as the one before take a byte each", () => {
  const base = [make({ kind: "power", gaps: 0, seed: 5 }, 200)];
  const more = [...base, ...base, ...base, new Float64Array(200).fill(Number.NaN)];
  expect(encode(more, 200).length - encode(base, 200).length).toBe(3);
});

test("devices that miss the same polls say so once", () => {
  const gaps = make({ kind: "constant", gaps: 0.1, seed: 5 }, 1000);
  const other = gaps.map((value) => 2 * value);
  const one = encode([gaps], 1000).length;
  expect(encode([gaps, other], 1000).length - one).toBeLessThan(10);
});
