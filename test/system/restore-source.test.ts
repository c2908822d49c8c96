// What gohm restore is given in place of a whole backup: what is refused leaves nothing behind, what is missing is named.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fillFolder } from "../data.ts";
import { type Program, start } from "../program.ts";

let top = "";
let program: Program | undefined;

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "gohm-restore-source-"));
});

afterEach(async () => {
  await program?.stop("SIGKILL");
  rmSync(top, { recursive: true });
});

async function gohm(words: readonly string[]): Promise<{ status: unknown; output: string }> {
  program = start("gohm.mjs", words, { GOHM_DATA: join(top, "data") });
  const [status] = await once(program.child, "close");
  return { status, output: program.output() };
}

const pipe = (path: string): void => void execFileSync("mkfifo", [path]);
const empty = (path: string): void => writeFileSync(path, "");
const sparse = (path: string): void => {
  empty(path);
  truncateSync(path, 2 ** 36);
};

test.each<[string, string, (path: string) => void, RegExp]>([
  ["a file that is a pipe", "copy.db", pipe, /copy\.db: it is not a file\n$/],
  ["a device", "copy.db", (path) => symlinkSync("/dev/zero", path), /copy\.db: it is not a file\n$/],
  ["an empty file", "copy.db", empty, /copy\.db: it is empty\n$/],
  ["a large file of zeros", "copy.db", sparse, /copy\.db is damaged: it is not a database\n$/],
  ["a folder whose book is a pipe", "gohm.db", pipe, /gohm\.db: it is not a file\n$/],
  ["a folder whose history is empty", "history.db", empty, /history\.db: it is empty\n$/],
  [
    "a folder whose history is a broken link",
    "history.db",
    (path) => symlinkSync("nowhere", path),
    /Cannot restore .*ENOENT/,
  ],
])("%s is refused, and the data folder is not made", async (_, name, make, message) => {
  const folder = join(top, "copy");
  await fillFolder(folder);
  rmSync(join(folder, name), { force: true });
  make(join(folder, name));
  const words = ["restore", name === "copy.db" ? join(folder, name) : folder];
  expect(await gohm(words)).toEqual({ status: 1, output: expect.stringMatching(message) });
  expect(existsSync(join(top, "data"))).toBe(false);
});

test("a book, or a database file with its log beside it, is not a backup of a history", async () => {
  const folder = join(top, "copy");
  await fillFolder(folder);
  const book = await gohm(["restore", join(folder, "gohm.db")]);
  expect(book).toEqual({
    status: 1,
    output: expect.stringMatching(/^gohm: Cannot restore .*gohm\.db: it is not a hub's history/),
  });
  writeFileSync(join(folder, "history.db-wal"), "x");
  const part = await gohm(["restore", join(folder, "history.db")]);
  expect(part).toEqual({ status: 1, output: expect.stringMatching(/history\.db-wal shows that it is not a backup/) });
  expect(existsSync(join(top, "data"))).toBe(false);
});

test("a backup folder without a history says so", async () => {
  const folder = join(top, "copy");
  await fillFolder(folder);
  rmSync(join(folder, "history.db"));
  expect(await gohm(["restore", folder])).toEqual({
    status: 0,
    output: expect.stringMatching(/^\S+gohm\.db: \S+ KB\nNo history in \S+copy: the hub begins a new history\.db\n$/),
  });
});
