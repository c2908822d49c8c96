import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeFolders, makeFoldersSync } from "./folder.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "gohm-folder-"));
});
afterEach(() => rmSync(root, { recursive: true }));

const both = [
  ["makeFolders", makeFolders],
  ["makeFoldersSync", async (path: string, mode?: number) => makeFoldersSync(path, mode)],
] as const;

test.each(both)(
  "%s makes a folder with those that it is in, says which was the first, and leaves others as they are",
  async (_, make) => {
    mkdirSync(join(root, "a"));
    chmodSync(join(root, "a"), 0o711);
    expect(await make(join(root, "a", "b", "c"), 0o700)).toBe(join(root, "a", "b"));
    expect(["a", "a/b", "a/b/c"].map((name) => statSync(join(root, name)).mode & 0o777)).toEqual([0o711, 0o700, 0o700]);
    expect(await make(join(root, "a", "b", "c"))).toBeUndefined();
    expect(await make("/")).toBeUndefined();
    symlinkSync("a", join(root, "link"));
    expect(await make(join(root, "link", "d"))).toBe(join(root, "link", "d"));
    expect(statSync(join(root, "a", "d")).isDirectory()).toBe(true);
  },
);

test.each(both)("%s names the file that is in the way, and a link that leads nowhere", async (_, make) => {
  writeFileSync(join(root, "file"), "");
  symlinkSync("nowhere", join(root, "link"));
  for (const path of ["file", "file/a", "file/a/b"]) {
    await expect(make(join(root, path))).rejects.toMatchObject({ code: "EEXIST", path: join(root, "file") });
  }
  await expect(make(join(root, "link"))).rejects.toMatchObject({ code: "EEXIST", path: join(root, "link") });
});

test.each(["makeFolders", "makeFoldersSync"])("%s ends where no folder can be made", (name) => {
  // In a process of its own: one that does not end cannot be stopped.
  const module = fileURLToPath(new URL("folder.ts", import.meta.url));
  const script = `import { ${name} } from ${JSON.stringify(module)};
    for (const path of ["/proc/gohm", "/proc/gohm/a/b"]) {
      try { await ${name}(path); } catch ({ code, path }) { console.log(code, path); }
    }`;
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    timeout: 20_000,
    killSignal: "SIGKILL",
  });
  expect(stdout).toBe("ENOENT /proc/gohm\nENOENT /proc/gohm\n");
});
