import { expect, test } from "vitest";
import { describeAnswer, outcomeOf, takesSamples } from "./outcome.ts";

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

test.each([
  [answer(500), "it answers 500"],
  [answer(500, `{"error":${"[".repeat(50_000)}${"]".repeat(50_000)}}`), "it answers 500: too deeply nested to show"],
  [answer(500, JSON.stringify({ error: ["x".repeat(5000)] })), `it answers 500: ["${"x".repeat(198)}…`],
  [answer(500, "<html>oops</html>"), "it answers 500"],
  [answer(400, '{"error": "no such node"}'), "it answers 400: no such node"],
  [answer(422, '{"detail": [{"loc": ["gpus"]}]}'), 'it answers 422: [{"loc":["gpus"]}]'],
  [answer(403, '{"detail": "\\u001b[31mred"}'), "it answers 403: [31mred"],
  [
    answer(301, "", { location: "https://hub/" }),
    'it answers with a redirect (301) to "https://hub/", which is not followed: give the address it really has as --server',
  ],
])("%j is told as: %s", (given, text) => {
  expect(describeAnswer(given, [])).toBe(text);
});
