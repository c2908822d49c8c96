import { expect, test } from "vitest";
import { lineLog } from "./log.ts";

test("a line is time, level and words, and what another machine says cannot forge a second one", () => {
  const lines: string[] = [];
  const log = lineLog(
    (line) => lines.push(line),
    () => 0,
  );
  log.warn("a\nb\u001b[31m");
  log.error("\u202etoor\u2028c\u200bd\u2066");
  expect(lines).toEqual(["1970-01-01T00:00:00.000Z warn a b [31m\n", "1970-01-01T00:00:00.000Z error  toor c d \n"]);
});
