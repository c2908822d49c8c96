import { expect, test } from "vitest";
import { sizeText } from "./size.ts";

test.each([
  [0, "0.0 KB"],
  [17_408, "17.4 KB"],
  [999_949, "999.9 KB"],
  [999_950, "1.0 MB"],
  [3.25e9, "3.3 GB"],
  [1.1e18, "1100000.0 TB"],
])("%d bytes are told as %s", (bytes, wanted) => {
  expect(sizeText(bytes)).toBe(wanted);
});
