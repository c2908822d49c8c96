import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { extract, extractNameless, places } from "./extract.ts";

const bytes = Buffer.from("koffi".repeat(10_000));
const part = {
  sha256: createHash("sha256").update(bytes).digest("hex"),
  brotli: brotliCompressSync(bytes).toString("base64"),
};
const uid = process.getuid?.() ?? 0;

let base = "";
let place = "";
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "gohm-extract-"));
  place = join(base, "cache", "hmonitor");
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const mode = (path: string): number => lstatSync(path).mode & 0o777;

test("the native part is written for its owner alone", () => {
  const file = extract(part, place);
  expect(readFileSync(file)).toEqual(bytes);
  expect([mode(place), mode(file)]).toEqual([0o700, 0o500]);
});

test("a copy that is there is used again", () => {
  const before = lstatSync(extract(part, place)).ino;
  expect(lstatSync(extract(part, place)).ino).toBe(before);
});

test("a corrupted copy is replaced", () => {
  const file = extract(part, place);
  chmodSync(file, 0o700);
  writeFileSync(file, bytes.subarray(0, 100));
  expect(readFileSync(extract(part, place))).toEqual(bytes);
});

test("a link in place of the copy is replaced, not followed", () => {
  const file = extract(part, place);
  const target = join(base, "elsewhere");
  writeFileSync(target, bytes);
  rmSync(file);
  symlinkSync(target, file);
  expect(extract(part, place)).toBe(file);
  expect(lstatSync(file).isSymbolicLink()).toBe(false);
});

test("a folder that others may write to is refused", () => {
  mkdirSync(place, { recursive: true, mode: 0o700 });
  chmodSync(place, 0o777);
  expect(() => extract(part, place)).toThrow("is open to other users");
  expect(readdirSync(place)).toEqual([]);
});

test("a link in place of the folder is refused", () => {
  mkdirSync(join(base, "cache"), { mode: 0o700 });
  mkdirSync(join(base, "trap"), { mode: 0o700 });
  symlinkSync(join(base, "trap"), place);
  expect(() => extract(part, place)).toThrow("is not a folder");
  expect(readdirSync(join(base, "trap"))).toEqual([]);
});

test("a folder inside one that others may change is refused, unless sticky as /tmp is", () => {
  const open = join(base, "open");
  mkdirSync(open);
  chmodSync(open, 0o777);
  expect(() => extract(part, join(open, "hmonitor"))).toThrow("may be changed by other users");
  chmodSync(open, 0o1777);
  expect(existsSync(extract(part, join(open, "hmonitor")))).toBe(true);
});

test("a folder of another user is refused", () => {
  mkdirSync(place, { recursive: true, mode: 0o700 });
  expect(() => extract(part, place, uid + 1)).toThrow("belongs to another user");
});

test("a damaged bundle is told, and nothing of it is left behind", () => {
  const other = { ...part, sha256: "0".repeat(64) };
  expect(() => extract(other, place)).toThrow("install it again");
  expect(readdirSync(place)).toEqual([]);
});

test("a home that is not there, or cannot be, is refused at once", () => {
  expect(() => extract(part, join(base, "no", "home", "hmonitor"))).toThrow("ENOENT");
  expect(() => extract(part, "/proc/nowhere/.cache/hmonitor")).toThrow("ENOENT");
});

test("below a folder that others may change, a file without a name will do: nobody else can open or replace it", () => {
  const open = join(base, "open");
  mkdirSync(open);
  chmodSync(open, 0o777);
  const seen = extractNameless(part, open, (path) => {
    const { mode: bits, nlink } = statSync(path);
    return { bytes: readFileSync(path), others: bits & 0o077, nlink, names: readdirSync(open) };
  });
  expect(seen).toEqual({ bytes, others: 0, nlink: 0, names: [] });
});

test("a file without a name leaves nothing behind, whatever becomes of it", () => {
  const handles = (): number => readdirSync("/proc/self/fd").length;
  const before = handles();
  const fails = (): never => {
    throw new Error("no such library");
  };
  expect(() => extractNameless(part, base, fails)).toThrow("no such library");
  expect(() => extractNameless({ ...part, sha256: "0".repeat(64) }, base, String)).toThrow("install it again");
  expect(() => extractNameless(part, join(base, "no", "folder"), String)).toThrow("ENOENT");
  expect([readdirSync(base), handles()]).toEqual([[], before]);
});

test("without a home the places of the system are left", () => {
  const own = places({}, 1000);
  expect(own.every((path) => path.endsWith("/hmonitor-1000"))).toBe(true);
  expect(own).toContain("/var/tmp/hmonitor-1000");
  expect(places({ HOME: "/home/a", XDG_CACHE_HOME: "relative" }, 1000)[0]).toBe("/home/a/.cache/hmonitor-1000");
});

test("20 processes that start at once all get a good copy, and leave no drafts", async () => {
  const module = new URL("extract.ts", import.meta.url).href;
  const script = `import { extract } from ${JSON.stringify(module)};
    import { readFileSync } from "node:fs";
    process.stdout.write(String(readFileSync(extract(${JSON.stringify(part)}, ${JSON.stringify(place)})).length));`;
  const run = async (): Promise<string> => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.on("data", (text: Buffer) => {
      out += text.toString();
    });
    await once(child, "close");
    return out;
  };
  const sizes = await Promise.all(Array.from({ length: 20 }, run));
  expect(new Set(sizes)).toEqual(new Set([String(bytes.length)]));
  expect(readdirSync(place)).toHaveLength(1);
});
