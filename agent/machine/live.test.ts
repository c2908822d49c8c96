import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { liveMachine } from "./live.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "live-"));
  mkdirSync(join(root, "sys"));
  writeFileSync(join(root, "sys", "text"), "7\n");
  writeFileSync(join(root, "sys", "table"), Uint8Array.of(0xff, 0, 0x80));
  symlinkSync("../elsewhere", join(root, "sys", "link"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test.each(["", "/"])("the machine whose root is mounted elsewhere is read there (named with %j at its end)", (end) => {
  const machine = liveMachine(`${root}${end}`);
  expect(machine.read("/sys/text")).toBe("7\n");
  expect([...(machine.bytes("/sys/table") ?? [])]).toEqual([0xff, 0, 0x80]);
  expect(machine.list("/sys").sort()).toEqual(["link", "table", "text"]);
  expect(machine.link("/sys/link")).toBe("../elsewhere");
  expect(machine.read("/sys/none")).toBeUndefined();
  expect(machine.bytes("/sys/none")).toBeUndefined();
});

test("this machine is read from its own root", () => {
  expect(liveMachine("/").read("/proc/self/comm")).toBeDefined();
});

test("a file in which a program writes as much as it likes costs no memory: too long, it is not known", () => {
  writeFileSync(join(root, "sys", "environ"), "SLURM_JOB_ID=7\0");
  expect(liveMachine(root).read("/sys/environ")).toBe("SLURM_JOB_ID=7\0");
  const before = process.memoryUsage().rss;
  truncateSync(join(root, "sys", "environ"), 400_000_000);
  expect(liveMachine(root).read("/sys/environ")?.length).toBeUndefined();
  expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
});
