import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { parseSpace, SpaceTimeout, spaces } from "./space.ts";

test("reads what stat -f prints, in bytes", () => {
  expect(parseSpace("4096 100 40 35\n")).toEqual({ size: 409_600, free: 163_840, available: 143_360 });
});

test.each(["", "4096 100 40\n", "4096 100 40 -1\n", "stat: x\n"])("%j is no space", (text) => {
  expect(() => parseSpace(text)).toThrow("stat -f answered");
});

test("both ways of asking agree with df on the size", async () => {
  const size = Number(execFileSync("df", ["-B1", "--output=size", "/"], { encoding: "utf8" }).split("\n")[1]);
  const ask = spaces();
  expect((await ask("/", { network: false, deadline: 10_000 })).size).toBe(size);
  expect((await ask("/", { network: true, deadline: 10_000 })).size).toBe(size);
});

test.each([false, true])("a mount that is not there is an error that names it (network: %s)", async (network) => {
  await expect(spaces()("/nowhere/at/all", { network, deadline: 10_000 })).rejects.toThrow("/nowhere/at/all");
});

test("a mount is not asked a second time while the first question is out", async () => {
  const ask = spaces();
  const first = ask("/", { network: true, deadline: 10_000 });
  await expect(ask("/", { network: true, deadline: 10_000 })).rejects.toThrow(SpaceTimeout);
  await first;
  await ask("/", { network: true, deadline: 10_000 });
});
