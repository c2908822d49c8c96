import { expect, test } from "vitest";
import { outcomeOf, takesSamples } from "./outcome.ts";

const answer = (status: number, text = "", headers: Record<string, string> = {}) => ({ status, text, headers });

test.each([
  [200, "taken"],
  [201, "taken"],
  [204, "taken"],
  [400, "refused"],
  [413, "refused"],
  [422, "refused"],
  [301, "away"],
  [403, "away"],
  [404, "away"],
  [429, "away"],
  [500, "away"],
  [503, "away"],
])("%i is %s", (status, expected) => {
  expect(outcomeOf(answer(status))).toBe(expected);
});

test.each([
  ["application/x-protobuf; messageType=gpu.HostInfo", true],
  ['application/json, application/x-protobuf;messagetype="gpu.HostInfo"', true],
  ["application/x-protobuf", false],
  ["application/x-protobuf; messageType=other.Thing", false],
  ["application/json", false],
  ["*/*", false],
])("Accept-Post: %s takes samples: %s", (header, expected) => {
  expect(takesSamples(answer(200, "", { "accept-post": header }))).toBe(expected);
});

test("without Accept-Post a hub is a portal of old", () => {
  expect(takesSamples(answer(200))).toBe(false);
});
