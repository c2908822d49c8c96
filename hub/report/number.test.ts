import { expect, test } from "vitest";
import { jsonNumber, mean, pythonFloat } from "./number.ts";

// What Python 3 prints for the number.
test.each([
  [0, "0.0"],
  [-0, "-0.0"],
  [0.14, "0.14"],
  [100, "100.0"],
  [0.0001, "0.0001"],
  [0.0000123, "1.23e-05"],
  [1e-7, "1e-07"],
  [-1e-7, "-1e-07"],
  [5e-324, "5e-324"],
  [0.1 + 0.2, "0.30000000000000004"],
  [123456789.125, "123456789.125"],
  [9999999999999998, "9999999999999998.0"],
  [1e16, "1e+16"],
  [12345678901234568, "1.2345678901234568e+16"],
  [1e22, "1e+22"],
  [1.7976931348623157e308, "1.7976931348623157e+308"],
])("%d is printed as %s", (value, text) => {
  expect(pythonFloat(value)).toBe(text);
});

test.each([
  ["0", "0"],
  ["-0", "0"],
  ["100", "100"],
  ["123456789012345678901234567890", "123456789012345678901234567890"],
  ["0.0", "0.0"],
  ["100.00", "100.0"],
  ["1e2", "100.0"],
  ["1E-5", "1e-05"],
  ["-0.0", "-0.0"],
])("the number %s of JSON is printed as %s", (source, printed) => {
  const { value, text = pythonFloat(value) } = jsonNumber(source) ?? { value: Number.NaN };
  expect(text).toBe(printed);
  expect(value).toBe(text === "0" ? 0 : Number(source));
});

test.each(["1e400", "-1e400", "x", "NaN"])("%s is no number", (source) => {
  expect(jsonNumber(source)).toBeUndefined();
});

// Calculated by pandas 1.5.3. Added one after the other, the last one is 0.49951388888888915.
test.each([
  [[7], 7],
  [[0.1, 0.2, 0.3], 0.20000000000000004],
  [Array.from({ length: 144 }, (_, i) => ((i * 30) % 101) / 100), 0.4995138888888889],
])("a mean is that of pandas", (values, expected) => {
  expect(mean(values)).toBe(expected);
});
