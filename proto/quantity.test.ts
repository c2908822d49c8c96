import { expect, test } from "vitest";
import { fileSize, size, sizePair, span } from "./quantity.ts";

const GiB = 1024 ** 3;

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 KiB"],
  [1.4 * GiB, "1.4 GiB"],
  [79.4 * GiB, "79 GiB"],
  [1000 * GiB, "1.0 TiB"],
])("%d bytes are written %s", (bytes, written) => {
  expect(size(bytes)).toBe(written);
});

test.each([
  [0, "0.0 KB"],
  [17_408, "17.4 KB"],
  [999_949, "999.9 KB"],
  [999_950, "1.0 MB"],
  [3.25e9, "3.3 GB"],
  [1.1e18, "1100000.0 TB"],
])("a file of %d bytes has %s", (bytes, written) => {
  expect(fileSize(bytes)).toBe(written);
});

test("used and total are written in the total's unit", () => {
  expect(sizePair(45.2 * GiB, 80 * GiB)).toEqual({ used: "45.2", total: "80", unit: "GiB" });
  expect(sizePair(21.5 * GiB, 23.99 * GiB)).toEqual({ used: "21.5", total: "24", unit: "GiB" });
  expect(sizePair(undefined, 80 * GiB).used).toBeUndefined();
  expect(sizePair(0, 0)).toEqual({ used: "0", total: "0", unit: "B" });
});

test.each([
  [-5, "0 s"],
  [0, "0 s"],
  [59.4, "59 s"],
  [59.6, "1 min"],
  [60, "1 min"],
  [61, "1 min"],
  [3600, "1 h"],
  [5400, "1 h 30 min"],
  [86_399, "23 h 59 min"],
  [90_000, "1 d 1 h"],
  [273_600, "3 d 4 h"],
])("%d seconds are written %s", (seconds, written) => {
  expect(span(seconds)).toBe(written);
});
