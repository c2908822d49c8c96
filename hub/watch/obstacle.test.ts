import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Obstacle } from "../servers.ts";
import { obstacleOf, realPath } from "./obstacle.ts";

const isRoot = process.getuid?.() === 0;
const nobody = 65_534;

let folder: string;
let path: string;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "gohm-obstacle-")));
  chmodSync(folder, 0o755);
  path = join(folder, "settings.json");
  writeFileSync(path, "{}");
});

afterEach(() => rmSync(folder, { recursive: true }));

/** What another process finds of each file. @param prepare words before its command */
function foundBy(prepare: readonly string[], paths: readonly string[]): (Obstacle | null)[] {
  const module = fileURLToPath(new URL("obstacle.ts", import.meta.url));
  const script = `import { obstacleOf } from ${JSON.stringify(module)};
    console.log(JSON.stringify(process.argv.slice(1).map((path) => obstacleOf(path) ?? null)));`;
  const [command = "", ...args] = [...prepare, process.execPath, "--disable-warning=ExperimentalWarning"];
  const options = { encoding: "utf8" } as const;
  const { stdout, stderr } = spawnSync(command, [...args, "--input-type=module", "-e", script, ...paths], options);
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as (Obstacle | null)[];
}

test("a file of its own in a folder of its own can be replaced, and one that is missing can be created", () => {
  expect([obstacleOf(path), obstacleOf(join(folder, "other.json"))]).toEqual([undefined, undefined]);
});

test("a missing folder, and a loop of links, are refused", () => {
  symlinkSync("loop", join(folder, "loop"));
  expect([obstacleOf(join(folder, "no", "settings.json"))?.kind, obstacleOf(join(folder, "loop"))?.kind]).toEqual([
    "permission",
    "permission",
  ]);
});

test("a symbolic link is followed: what it leads to is replaced, where its own folder can be written", () => {
  mkdirSync(join(folder, "dotfiles"));
  writeFileSync(join(folder, "dotfiles", "hub.json"), "{}");
  symlinkSync(join("dotfiles", "hub.json"), join(folder, "link.json"));
  expect([obstacleOf(join(folder, "link.json")), realPath(join(folder, "link.json"))]).toEqual([
    undefined,
    join(folder, "dotfiles", "hub.json"),
  ]);
});

test("a file with a further hard link would leave the old content there", () => {
  linkSync(path, join(folder, "same.json"));
  expect(obstacleOf(path)).toMatchObject({ kind: "links", reason: expect.stringContaining("hard links") });
});

test("a folder at the path is no file with further hard links, though it is linked by each folder in it", () => {
  mkdirSync(join(folder, "folder", "inner"), { recursive: true });
  expect(obstacleOf(join(folder, "folder"))).toBeUndefined();
});

/** A file in a folder of its own, each with its owner and mode. */
function place(
  name: string,
  [owner, group, mode]: readonly number[],
  [folderOwner, folderMode]: readonly number[],
): string {
  const at = join(folder, name);
  mkdirSync(at);
  writeFileSync(join(at, "settings.json"), "{}");
  chmodSync(join(at, "settings.json"), mode ?? 0);
  chownSync(join(at, "settings.json"), owner ?? 0, group ?? 0);
  chmodSync(at, folderMode ?? 0);
  chownSync(at, folderOwner ?? 0, 0);
  return join(at, "settings.json");
}

test.runIf(isRoot)(
  "a hub without rights may replace neither another user's file nor one in another user's folder",
  () => {
    const files = [
      place("theirs", [0, 0, 0o644], [0, 0o755]),
      // A folder that everybody may write: the new file would be the hub's own.
      place("shared", [0, 0, 0o666], [0, 0o777]),
      // A group that the hub is not in could not be given to the new file.
      place("group", [nobody, 1, 0o644], [nobody, 0o755]),
      place("fixed", [nobody, nobody, 0o444], [nobody, 0o755]),
      place("folder", [nobody, nobody, 0o644], [0, 0o755]),
      place("own", [nobody, nobody, 0o600], [nobody, 0o700]),
    ];
    const drop = ["setpriv", "--reuid", String(nobody), "--regid", String(nobody), "--clear-groups"];
    expect(foundBy(drop, files)).toEqual([
      { kind: "permission", owner: "root", reason: expect.stringMatching(/EACCES.*theirs'/) },
      { kind: "permission", owner: "root", reason: expect.stringContaining("does not run as root") },
      { kind: "permission", owner: expect.any(String), reason: expect.stringContaining("does not run as") },
      { kind: "permission", owner: expect.any(String), reason: expect.stringMatching(/EACCES.*settings\.json'/) },
      { kind: "permission", owner: expect.any(String), reason: expect.stringMatching(/EACCES.*folder'/) },
      null,
    ]);
  },
);

const mayMount = isRoot && spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]).status === 0;

test.runIf(mayMount)(
  "a read-only file system and a file that is mounted by itself are told apart, also to root",
  () => {
    const mounted = place("a b\\c", [0, 0, 0o644], [0, 0o755]);
    const fixed = place("fixed", [0, 0, 0o644], [0, 0o755]);
    const mount = 'mount --bind "$0" "$1"; mount --bind "$2" "$2"; mount -o remount,bind,ro "$2"; shift 2; exec "$@"';
    const prepare = ["unshare", "--mount", "sh", "-c", mount, path, mounted, join(folder, "fixed")];
    expect(foundBy(prepare, [mounted, fixed])).toEqual([
      { kind: "mount", owner: "root", reason: expect.stringContaining(mounted) },
      { kind: "read_only", owner: "root", reason: "its file system is read-only for the hub" },
    ]);
  },
);
