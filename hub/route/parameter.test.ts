import fc from "fast-check";
import { expect, test } from "vitest";
import { Zone } from "../../program/zone.ts";
import { cases } from "../../test/cases.ts";
import { count, duration, flag, read, size, time, timeOf } from "./parameter.ts";

const words = { help: "", example: "" };
const bytes = (text: string): unknown => read("min_mem", size(words), [text]);

test.each([
  ["40G", 40e9],
  ["40GB", 40e9],
  ["40g", 40e9],
  ["40Gi", 40 * 2 ** 30],
  ["40GiB", 40 * 2 ** 30],
  ["1.5 Ti", 1.5 * 2 ** 40],
  ["512M", 512e6],
  ["42949672960", 42_949_672_960],
  ["0G", 0],
])("the size %s is %d bytes", (text, wanted) => {
  expect(bytes(text)).toBe(wanted);
});

// A number alone was meant in gigabytes: as bytes, every card would have as much.
test.each(["40", "40GG", "-1G", "1e3G", "G", "i", "40iB", "0x10G", "40 G i", "∞"])("%s is no size", (text) => {
  expect(() => bytes(text)).toThrow(/"min_mem" must be a size such as 40G \(10\^9 bytes\) or 40Gi/);
});

test("a size is its number times its unit, and every other text is refused with its name", () => {
  const unit = fc.constantFrom("K", "M", "G", "T", "P");
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999_999 }), unit, fc.boolean(), fc.constantFrom("", "B"), (n, u, i, b) => {
      const power = "KMGTP".indexOf(u) + 1;
      expect(bytes(`${n}${u}${i ? "i" : ""}${b}`)).toBe(n * (i ? 1024 : 1000) ** power);
    }),
    cases,
  );
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), (text) => {
      try {
        const value = bytes(text);
        expect(value === undefined || (typeof value === "number" && value >= 0 && Number.isFinite(value))).toBe(true);
      } catch (error) {
        expect(String(error)).toContain('"min_mem"');
      }
    }),
    cases,
  );
});

const shanghai = new Zone("Asia/Shanghai");
const at = (text: string): unknown => timeOf("from", read("from", time(words), [text]) as string, shanghai);

test.each([
  ["1800000000000", 1_800_000_000_000],
  ["0", 0],
  ["2027-01-15T08:00:00Z", 1_800_000_000_000],
  ["2027-01-15T08:00:00.250Z", 1_800_000_000_250],
  ["2027-01-15T08:00Z", 1_800_000_000_000],
  ["2027-01-15T16:00:00+08:00", 1_800_000_000_000],
  // A plus that was not encoded.
  ["2027-01-15T16:00:00 08:00", 1_800_000_000_000],
  ["2027-01-15T16:00 0800", 1_800_000_000_000],
  ["2027-01-15T03:00:00-05:00", 1_800_000_000_000],
  ["2027-01-15T16:00:00", 1_800_000_000_000],
  ["2027-01-15 16:00", 1_800_000_000_000],
  ["2027-01-15", 1_799_942_400_000],
])("the time %s is %d", (text, wanted) => {
  expect(at(text)).toBe(wanted);
});

test.each([
  "yesterday",
  "2027-02-30",
  "2027-01-15T25:00:00Z",
  "2027-13-01",
  "1e3",
  "-5",
  "9999999999999999",
  "2027-01",
])("%s is no time, and the message names the parameter, the value and what was wanted", (text) => {
  expect(() => at(text)).toThrow(`The parameter "from" must be Unix milliseconds, or a time such as`);
  expect(() => at(text)).toThrow(`: it is "${text}".`);
});

test("every time is read back from its ISO 8601, whichever way it is written", () => {
  fc.assert(
    // From 1993 on clocks are not set back in this zone: before, an hour of some days came twice.
    fc.property(fc.integer({ min: 725_846_400_000, max: 4_102_444_800_000 }), (ms) => {
      expect(at(String(ms))).toBe(ms);
      expect(at(new Date(ms).toISOString())).toBe(ms);
      expect(at(shanghai.format(ms))).toBe(ms - (ms % 1000));
    }),
    cases,
  );
});

test.each([
  ["0", 0],
  ["300000", 300_000],
  ["0h", 0],
  ["90s", 90_000],
  ["5m", 300_000],
  ["6h", 21_600_000],
  ["1d", 86_400_000],
  ["2w", 1_209_600_000],
])("a step of %s is %d milliseconds", (text, wanted) => {
  expect(read("step", duration(words), [text])).toBe(wanted);
});

test.each(["h", "6 h", "6H", "1.5h", "-1h", "1e3", "1y", "9999999999999999", "100000000000w", "６h", "constructor"])(
  "a step of %s is refused, with what was wanted",
  (text) => {
    expect(() => read("step", duration(words), [text])).toThrow(
      `The parameter "step" must be whole milliseconds, or a length such as 30s, 5m, 6h, 1d or 1w: it is "${text}".`,
    );
  },
);

test("a flag is true or false, and a count has its bounds", () => {
  expect(["true", "1", "false", "0"].map((text) => read("same_host", flag(words), [text]))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  for (const text of ["yes", "TRUE", "2", "constructor"])
    expect(() => read("same_host", flag(words), [text])).toThrow('"same_host" must be true or false');
  expect(read("limit", count(words, 5), ["5"])).toBe(5);
  for (const text of ["6", "0", "x"]) expect(() => read("limit", count(words, 5), [text])).toThrow("from 1 to 5");
});
