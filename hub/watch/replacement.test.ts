import fs, {
  chmodSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Changed, Replacement, recover } from "./replacement.ts";

/** Runs before a call of the file system, as something that another program does meanwhile. */
const meanwhile = vi.hoisted(() => ({ at: "", run: (): void => {} }));
vi.mock("node:fs", async (original) => {
  const real = await original<typeof fs>();
  const after = (name: "linkSync" | "renameSync" | "fsyncSync") =>
    ((...args: never[]) => {
      if (meanwhile.at === name) {
        meanwhile.at = "";
        meanwhile.run();
      }
      return (real[name] as (...given: never[]) => void)(...args);
    }) as never;
  return { ...real, linkSync: after("linkSync"), renameSync: after("renameSync"), fsyncSync: after("fsyncSync") };
});

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-replace-"));
  path = join(folder, "settings.json");
  writeFileSync(path, "old", { mode: 0o640 });
  chmodSync(path, 0o640);
});

afterEach(() => {
  meanwhile.at = "";
  rmSync(folder, { recursive: true });
});

const content = (): string => readFileSync(path, "utf8");
const names = (): string[] => readdirSync(folder);
const replacement = (before = "old", after = "new"): Replacement => new Replacement(path, before, after);
const creation = (): Replacement => new Replacement(path, undefined, "new");

test("a file is replaced with its mode, and nothing stays beside it", () => {
  const one = replacement();
  one.make(1);
  expect([content(), statSync(path).mode & 0o7777]).toEqual(["new", 0o640]);
  one.keep();
  one.undo();
  expect([names(), content()]).toEqual([["settings.json"], "new"]);
});

test.runIf(process.getuid?.() === 0)("a file of another user stays that user's", () => {
  fs.chownSync(path, 65_534, 65_533);
  const one = replacement();
  one.make(1);
  one.keep();
  expect(statSync(path)).toMatchObject({ uid: 65_534, gid: 65_533 });
});

test("the new content can be read by nobody else before it is the file", () => {
  chmodSync(path, 0o600);
  const modes: number[] = [];
  meanwhile.at = "fsyncSync";
  meanwhile.run = () => {
    modes.push(...names().map((name) => statSync(join(folder, name)).mode & 0o077));
  };
  replacement().make(1);
  expect(modes).toEqual([0, 0]);
});

test("what is undone is the old file itself, and nothing stays beside it", () => {
  const { ino } = statSync(path);
  const one = replacement();
  one.make(1);
  one.undo();
  expect([content(), statSync(path).ino, names()]).toEqual(["old", ino, ["settings.json"]]);
});

test("what somebody else wrote after it was read stays, and so does what they write after the replacement", () => {
  const late = replacement("older");
  let renamed = false;
  meanwhile.at = "renameSync";
  meanwhile.run = () => {
    renamed = true;
  };
  expect(() => late.make(1)).toThrow(Changed);
  late.undo();
  // Not even for a moment is another content there.
  expect([content(), names(), renamed]).toEqual(["old", ["settings.json"], false]);
  const one = replacement();
  one.make(2);
  writeFileSync(path, "theirs");
  one.undo();
  expect([content(), names()]).toEqual(["theirs", ["settings.json"]]);
});

test.each(["linkSync", "renameSync"])(
  "what an editor writes into the file in the moment before %s is not lost",
  (at) => {
    meanwhile.at = at;
    meanwhile.run = () => writeFileSync(path, "theirs");
    expect(() => replacement().make(1)).toThrow(Changed);
    expect([content(), names()]).toEqual(["theirs", ["settings.json"]]);
  },
);

test("a file that an editor puts in its place in the moment before is not lost", () => {
  meanwhile.at = "linkSync";
  meanwhile.run = () => {
    writeFileSync(join(folder, "theirs"), "theirs");
    renameSync(join(folder, "theirs"), path);
  };
  expect(() => replacement().make(1)).toThrow(Changed);
  expect([content(), names()]).toEqual(["theirs", ["settings.json"]]);
});

test("a file that is replaced while it gets its second link is one that somebody changed", () => {
  meanwhile.at = "linkSync";
  meanwhile.run = () => {
    throw Object.assign(new Error("ENOENT: no such file or directory"), { code: "ENOENT" });
  };
  expect(() => replacement().make(1)).toThrow(Changed);
  expect([content(), names()]).toEqual(["old", ["settings.json"]]);
});

test("a rename that fails leaves the file, and nothing beside it", () => {
  meanwhile.at = "renameSync";
  meanwhile.run = () => {
    throw Object.assign(new Error("EBUSY: resource busy"), { code: "EBUSY" });
  };
  expect(() => replacement().make(1)).toThrow("EBUSY");
  expect([content(), names()]).toEqual(["old", ["settings.json"]]);
});

test("a file is created, unless somebody creates it in the same moment", () => {
  rmSync(path);
  const one = creation();
  one.make(1);
  expect([content(), statSync(path).mode & 0o777]).toEqual(["new", 0o600]);
  one.undo();
  expect(names()).toEqual([]);
  meanwhile.at = "linkSync";
  meanwhile.run = () => writeFileSync(path, "theirs");
  expect(() => creation().make(2)).toThrow(Changed);
  expect([content(), names()]).toEqual(["theirs", ["settings.json"]]);
});

test("after a crash, a replacement whose commit was made stays, and any other is undone", () => {
  const asked: number[] = [];
  const isMade = (commit: number): boolean => {
    asked.push(commit);
    return commit === 7;
  };
  replacement().make(7);
  recover(path, isMade);
  expect([content(), names()]).toEqual(["new", ["settings.json"]]);
  replacement("new", "newer").make(8);
  recover(path, isMade);
  expect([content(), names(), asked]).toEqual(["new", ["settings.json"], [7, 8]]);
});

test("after a crash, a file that was created without a commit is removed", () => {
  rmSync(path);
  creation().make(7);
  recover(path, () => false);
  expect(names()).toEqual([]);
});

test("after a crash, what somebody wrote since stays, and so does a file that was not replaced yet", () => {
  replacement().make(7);
  writeFileSync(path, "theirs");
  recover(path, () => false);
  expect([content(), names()]).toEqual(["theirs", ["settings.json"]]);
  // Killed between the link and the rename.
  linkSync(path, join(folder, ".settings.json.gohm-9-0123456789abcdef"));
  writeFileSync(join(folder, ".settings.json.gohm-new"), "new");
  recover(path, () => false);
  expect([content(), names(), statSync(path).nlink]).toEqual(["theirs", ["settings.json"], 1]);
});

test("an old file that an editor emptied meanwhile is no file that was not there", () => {
  replacement().make(7);
  const undo = names().find((name) => name.includes("gohm-7-")) ?? "";
  writeFileSync(join(folder, undo), "");
  recover(path, () => false);
  expect([content(), names()]).toEqual(["", ["settings.json"]]);
});
