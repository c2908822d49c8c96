import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { HistMapSchema, HistoryAnswerSchema, HistRespSchema } from "./gen/history_pb.js";
import { fits, packEntry, packSamples, packSeries, packSpan, type Series, unpackAnswer } from "./history.ts";

const integer = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(2 ** 51, -(2 ** 51), 2 ** 51 + 2, 0, 127, 128, -64, 2 ** 31, 2 ** 32),
);
const fraction = fc.double({ noDefaultInfinity: true });
const number = fc.oneof(integer, fraction).map((value) => value + 0);
const times = fc
  .uniqueArray(fc.oneof(fc.nat(), fc.integer({ min: 0, max: 8.64e15 })), { maxLength: 300 })
  .map((list) => Float64Array.from(list).sort());
const series: fc.Arbitrary<Series> = times.chain((t) =>
  fc.record({
    host: fc.string(),
    level: fc.constantFrom("host", "gpu"),
    key: fc.string({ unit: "grapheme" }),
    metric: fc.string(),
    unit: fc.string(),
    cut: fc.boolean(),
    t: fc.constant(t),
    columns: fc.dictionary(
      fc.constantFrom("avg", "min", "max", "p95"),
      fc
        .oneof(
          fc.array(number, { minLength: t.length, maxLength: t.length }),
          fc.array(integer, { minLength: t.length, maxLength: t.length }),
        )
        .map((list) => Float64Array.from(list)),
      { noNullPrototype: true },
    ),
  }),
);
const span = fc.record({ from: fc.maxSafeNat(), to: fc.maxSafeNat(), step: fc.maxSafeNat() });

const join = (pieces: readonly Uint8Array[]): Uint8Array => Uint8Array.from(pieces.flatMap((piece) => [...piece]));

test("an answer is read as it was written, and any decoder of protobuf reads the same", () => {
  fc.assert(
    fc.property(span, fc.array(series, { maxLength: 4 }), (asked, all) => {
      const bytes = join([packSpan(asked), ...all.map(packSeries)]);
      expect(unpackAnswer(bytes)).toEqual({ ...asked, series: all });
      const general = fromBinary(HistoryAnswerSchema, bytes);
      expect(general.series.map(({ t }) => sums(t))).toEqual(all.map(({ t }) => [...t].map(BigInt)));
      const values = general.series.map((one) =>
        one.columns.map(({ of, integers, fractions }) => [
          of,
          integers.length > 0 ? sums(integers).map(Number) : fractions,
        ]),
      );
      expect(values).toEqual(
        all.map(({ columns }) => Object.entries(columns).map(([of, column]) => [of, [...column]])),
      );
      // Written by the general encoder it is the same bytes: nothing here is a dialect.
      expect(toBinary(HistoryAnswerSchema, general)).toEqual(bytes);
    }),
  );
});

function sums(deltas: readonly bigint[]): bigint[] {
  let at = 0n;
  return deltas.map((more) => {
    at += more;
    return at;
  });
}

test.each([0, 63, 64, -64, -65, 127, -128, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 32 + 1])(
  "a value that changes by %d is read as it was written, in as few bytes as there can be",
  (more) => {
    const [t, avg] = [Float64Array.of(1), Float64Array.of(more)];
    const one = { host: "", level: "", key: "", metric: "", unit: "", cut: false, t, columns: { avg } };
    const bytes = packSeries(one);
    expect(unpackAnswer(bytes).series).toEqual([one]);
    expect(toBinary(HistoryAnswerSchema, fromBinary(HistoryAnswerSchema, bytes))).toEqual(bytes);
  },
);

test.each([7, 14, 21, 28, 31, 32, 35, 42, 49])(
  "changes about 2^%i, where a byte more is needed, are read as they were written",
  (bits) => {
    const changes = [-1, 0, 1].map((more) => 2 ** bits + more);
    const t = Float64Array.from([0, ...changes, ...changes]);
    for (let i = 1; i < t.length; i++) t[i] = (t[i - 1] ?? 0) + (t[i] ?? 0);
    // Doubled on the wire: half of it, up and down.
    const avg = Float64Array.from([0, ...changes, ...changes], (change, i) =>
      i % 2 === 0 ? 0 : Math.floor(change / 2),
    );
    const given = { host: "", level: "", key: "", metric: "", unit: "", cut: false, t, columns: { avg } };
    const bytes = packSeries(given);
    expect(unpackAnswer(bytes).series).toEqual([given]);
    expect(toBinary(HistoryAnswerSchema, fromBinary(HistoryAnswerSchema, bytes))).toEqual(bytes);
  },
);

test("whole values that change little take a byte or two, also after a leap", () => {
  const t = Float64Array.from({ length: 8640 }, (_, i) => 1_800_000_000_000 + 10_000 * i);
  const avg = t.map((_, i) => 85e9 + 50 * (i % 2));
  const bytes = packSeries({ host: "", level: "", key: "", metric: "", unit: "", cut: false, t, columns: { avg } });
  expect(bytes.length).toBeLessThan(4 * t.length);
});

test("an answer that is cut short is refused, not read as less", () => {
  const bytes = packSeries({
    ...{ host: "a", level: "gpu", key: "k", metric: "m", unit: "u", cut: false },
    t: Float64Array.of(1, 2, 300),
    columns: { avg: Float64Array.of(1.5, 2, 3) },
  });
  for (let end = 1; end < bytes.length; end++) expect(() => unpackAnswer(bytes.subarray(0, end))).toThrow(/cut short/);
});

test("fields that a newer hub adds are skipped", () => {
  const unknown = Uint8Array.of(
    0x78,
    0x81,
    0x01,
    0x81,
    0x01,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    0x85,
    0x01,
    1,
    2,
    3,
    4,
    0x8a,
    0x01,
    2,
    9,
    9,
  );
  const asked = { from: 1, to: 2, step: 3 };
  expect(unpackAnswer(join([unknown, packSpan(asked)]))).toEqual({ ...asked, series: [] });
});

test("samples of the first GOHM's messages are to the nanosecond what any decoder reads, until the year 2554", () => {
  const at = fc.oneof(
    fc.integer({ min: 0, max: 18_446_744_073_709 }),
    fc.constantFrom(0, 2 ** 32, 4_294_967, 4_294_968),
  );
  const samples = fc.array(fc.tuple(at, fc.maxSafeNat()), { maxLength: 200 }).map((list) => ({
    t: Float64Array.from(list, ([ms]) => ms),
    v: Float64Array.from(list, ([, value]) => value),
  }));
  fc.assert(
    fc.property(samples, fc.string(), (held, key) => {
      const t = [...held.t].map((ms) => BigInt(ms) * 1_000_000n);
      const v = [...held.v].map(BigInt);
      expect(packSamples(held)).toEqual(toBinary(HistRespSchema, create(HistRespSchema, { t, v })));
      expect(fromBinary(HistMapSchema, packEntry(key, held)).data[key]).toMatchObject({ t, v });
    }),
  );
});

test.each([
  [0, 0, true],
  [18_446_744_073_709, 2 ** 53 - 1, true],
  [18_446_744_073_710, 1, false],
  [-1, 1, false],
  [1, -1, false],
  [1, 2 ** 53, false],
  [1, 0.5, false],
  [1, Number.NaN, false],
])("a sample at %d of %d fits: %s", (at, value, wanted) => {
  expect(fits(at, value)).toBe(wanted);
});
