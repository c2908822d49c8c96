import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Remains } from "./remains.ts";

/** A process that outlives whoever started it: a session of its own, nobody waits for it. */
function stray(env: Readonly<Record<string, string>>, ...args: string[]): number {
  const child = spawn("sleep", ["300", ...args], { detached: true, stdio: "ignore", env });
  child.unref();
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  return child.pid ?? 0;
}

test("a run without leftovers reports none, and its folder is removed", async () => {
  const run = new Remains();
  expect(await run.clear(0)).toEqual([]);
  expect(existsSync(run.env.TMPDIR)).toBe(false);
});

test("leftover processes, mounts and files are reported and removed, and no others", async () => {
  const other = stray({});
  const run = new Remains();
  const at = run.env.TMPDIR;
  const own = [stray({ HOME: at }), stray({}, "0", "0")];
  writeFileSync(join(at, "file"), "x");
  mkdirSync(join(at, "mount"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "none", join(at, "mount")]).status === 0;
  const left = await run.clear(0);
  expect(left).toEqual([
    `process ${own[0]}: sleep 300`,
    ...(mounted ? [`mount ${join(at, "mount")}`] : []),
    `file ${join(at, "file")}`,
    `file ${join(at, "mount")}`,
  ]);
  expect(existsSync(at)).toBe(false);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(at);
  for (const pid of [other, own[1]]) expect(existsSync(`/proc/${pid}`)).toBe(true);
});
