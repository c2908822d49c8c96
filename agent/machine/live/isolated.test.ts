import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isolatedReader } from "./isolated.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "apart-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const reader = () => isolatedReader((path) => join(folder, path));
const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

/** Our shells: processes of ours that run the script. */
const shells = (): string[] =>
  readdirSync("/proc").filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      // Asleep or at work, but not one that has ended and waits to be taken note of.
      return /\(sh\) [^Z]/.test(stat) && stat.split(") ")[1]?.split(" ")[1] === String(process.pid);
    } catch {
      return false; // ended meanwhile
    }
  });

test("gives the first line as it stands, and nothing of what is not there", async () => {
  const read = reader();
  write("a", "97\n");
  write("b", '  a \\ $(echo b) "c" \nmore\n');
  write("empty", "");
  write("unended", "12");
  expect(await read("a")).toBe("97");
  expect(await read("b")).toBe('  a \\ $(echo b) "c" ');
  expect(await read("none")).toBeUndefined();
  expect(await read("empty")).toBeUndefined();
  expect(await read("unended")).toBe("12");
  expect(await read("a")).toBe("97");
});

test("a file that keeps its reader waiting keeps no other's, and what it says in the end is heard", async () => {
  const read = reader();
  const before = shells().length;
  write("a", "97\n");
  expect(await read("a")).toBe("97");
  execFileSync("mkfifo", [join(folder, "stuck")]);
  const stuck = read("stuck");
  for (let i = 0; i < 20; i++) expect(await read("a")).toBe("97");
  await vi.waitFor(() => expect(shells().length).toBe(before + 2));
  write("stuck", "late\n");
  expect(await stuck).toBe("late");
  expect(await read("a")).toBe("97");
  await vi.waitFor(() => expect(shells().length).toBe(before + 1));
});

test("where there is no shell, files are read all the same", async () => {
  const read = isolatedReader((path) => join(folder, path), join(folder, "no-shell"));
  write("a", "97\nmore\n");
  expect(await read("a")).toBe("97");
  expect(await read("none")).toBeUndefined();
  expect(await read("a")).toBe("97");
});
