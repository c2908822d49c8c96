import { expect, test } from "vitest";
import { describeAnswer } from "./answer.ts";

const answer = (status: number, text = "", headers: Record<string, string> = {}) => ({ status, text, headers });

test.each([
  [answer(500), "it answers 500"],
  [answer(500, `{"error":${"[".repeat(50_000)}${"]".repeat(50_000)}}`), "it answers 500: too deeply nested to show"],
  [answer(500, JSON.stringify({ error: ["x".repeat(5000)] })), `it answers 500: ["${"x".repeat(198)}…`],
  [answer(500, "<html>oops</html>"), "it answers 500"],
  [answer(400, '{"error": "no such node"}'), "it answers 400: no such node"],
  [answer(500, '{"code": 500, "message": "none"}'), "it answers 500: none"],
  [answer(422, '{"detail": [{"loc": ["gpus"]}]}'), 'it answers 422: [{"loc":["gpus"]}]'],
  [answer(403, '{"detail": "\\u001b[31mred"}'), "it answers 403: [31mred"],
  [
    answer(301, "", { location: "https://hub/" }),
    'it answers with a redirect (301) to "https://hub/", which is not followed: give the address it really has as --server',
  ],
])("%j is told as: %s", (given, text) => {
  expect(describeAnswer(given, [], "--server")).toBe(text);
});
