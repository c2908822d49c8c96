import { expect, test } from "vitest";
import { newClaim, type Owner, paceOf } from "./claim.ts";

const push: Owner = { input: "portal", origin: "push" };
const other: Owner = { input: "portal", origin: "push" };
const poll: Owner = { input: "poll", origin: "settings" };

test.each<[string, readonly Owner[], number | undefined]>([
  ["reports by itself", [push], 60],
  ["is two machines that do", [push, other], 60],
  ["is polled as well", [push, poll], undefined],
])("a host that %s has an interval of its own only if all of its owners push", (_, owners, interval) => {
  expect(paceOf(new Map(owners.map((by) => [by, newClaim("10.0.0.7", 60)])))).toBe(interval);
});
