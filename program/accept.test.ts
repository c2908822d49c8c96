import { expect, test } from "vitest";
import { codingFor, weightOf } from "./accept.ts";

test.each([
  [undefined, "identity"],
  ["", "identity"],
  ["gzip, deflate, br", "br"],
  ["gzip", "gzip"],
  ["GZIP", "gzip"],
  ["br;q=0, gzip", "gzip"],
  ["br; q=0.0, gzip; q=0", "identity"],
  ["gzip;q=1.0, br;q=0.5", "gzip"],
  ["*", "br"],
  ["*;q=0", "identity"],
  ["br;q=0, *;q=0.1", "gzip"],
  ["identity, gzip;q=0.5", "identity"],
  ["identity;q=0.5, gzip;q=0.5", "gzip"],
  ["identity;q=0", "identity"],
  ["brotli, xgzip, gzip-not", "identity"],
  ["gzip;q=banana", "identity"],
])("Accept-Encoding: %s is answered in %s", (header, coding) => {
  expect(codingFor(header, ["br", "gzip"])).toBe(coding);
});

test.each([
  [undefined, 0],
  ["application/json", 1],
  ["application/x-json;q=0.5, application/json;q=0.25", 0.5],
  ["application/json;q=0", 0],
  ["*/*", 0],
])("Accept: %s gives JSON the weight %d", (header, weight) => {
  expect(weightOf(header, "application/json", "application/x-json")).toBe(weight);
});
