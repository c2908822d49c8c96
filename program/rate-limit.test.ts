import { expect, test } from "vitest";
import { rateLimited } from "./rate-limit.ts";

const said = () => {
  const lines: string[] = [];
  return { lines, log: (line: string) => lines.push(line) };
};

test("a refused address is named once a minute, with how often it came since", () => {
  const { lines, log } = said();
  let now = 0;
  const refused = rateLimited(log, () => now);
  refused("192.0.2.1");
  refused("192.0.2.2");
  for (now = 1; now < 60_000; now += 1000) refused("192.0.2.1");
  now = 60_000;
  refused("192.0.2.1");
  expect(lines).toEqual(["Reject: 192.0.2.1", "Reject: 192.0.2.2", "Reject: 192.0.2.1 (60 more since the last time)"]);
});

test("a scan from many addresses is remembered no further than a thousand", () => {
  const { lines, log } = said();
  const refused = rateLimited(log, () => 0);
  for (let i = 0; i < 1001; i++) refused(`fd00::${i}`);
  refused("fd00::0");
  refused("fd00::1000");
  expect(lines.length).toBe(1002);
});
