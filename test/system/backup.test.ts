// gohm backup, the real command beside the real hub.
import { spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { getHistory, type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { programOf, start, top } from "../program.ts";

let at: HubFolder;
let host: PlayedHost;
let out = "";
let hub: RunningHub | undefined;
let server: Server | undefined;

beforeEach(async () => {
  at = hubFolder();
  out = mkdtempSync(join(tmpdir(), "gohm-backup-"));
  host = await playHost(() => machine(Date.now()));
  at.write({ servers: { a: host.address }, poll: { interval: 1 } });
});

afterEach(async () => {
  await hub?.stop();
  hub = undefined;
  server?.close();
  server = undefined;
  host.close();
  at.remove();
  rmSync(out, { recursive: true });
});

const usage = async (of: RunningHub) => (await getHistory(of.history, { id: "a_0", type: "gpumem" })).t;

/** A hub that has kept some samples. */
async function fed(): Promise<{ hub: RunningHub; seen: readonly bigint[] }> {
  const started = await startHub(at);
  hub = started;
  const enough = async (): Promise<void> => expect((await usage(started)).length).toBeGreaterThan(2);
  await vi.waitFor(enough, { timeout: 20_000, interval: 50 });
  return { hub: started, seen: await usage(started) };
}

async function backup(...words: string[]): Promise<{ status: number | null; output: string }> {
  const program = start("gohm.mjs", ["backup", ...words], { GOHM_DATA: at.data });
  await new Promise((resolve) => program.child.once("close", resolve));
  return { status: program.child.exitCode, output: program.output() };
}

/** What another hub finds in a copy. */
async function restored(file: string): Promise<readonly bigint[]> {
  const other = hubFolder();
  mkdirSync(other.data);
  copyFileSync(file, join(other.data, "history.db"));
  other.write({ servers: {} });
  const second = await startHub(other);
  try {
    return await usage(second);
  } finally {
    await second.stop();
    other.remove();
  }
}

test("a copy made while the hub runs has everything until then, only its owner can read it, and the hub goes on", async () => {
  const { hub: first, seen } = await fed();
  const file = join(out, "copy.db");
  expect(await backup(file)).toEqual({ status: 0, output: expect.stringMatching(/copy\.db: \d+\.\d KB\n$/) });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const copy = await restored(file);
  expect(copy.slice(0, seen.length)).toEqual(seen);
  await vi.waitFor(async () => expect((await usage(first)).length).toBeGreaterThan(copy.length), { timeout: 20_000 });
  // Nothing is left beside the copy, nor in the data folder.
  expect([readdirSync(out), readdirSync(join(at.data, "control"))]).toEqual([["copy.db"], ["socket"]]);
  expect(first.output()).toMatch(/sent a backup of \d+\.\d KB/);
});

test("without a hub the command makes the copy itself, also after kill -9", async () => {
  const { hub: first, seen } = await fed();
  const safe = seen.filter((t) => t < BigInt(Date.now() - 1000) * 1_000_000n);
  await first.stop("SIGKILL");
  const file = join(out, "copy.db");
  const kept = (): unknown =>
    readdirSync(at.data)
      .filter((name) => name.startsWith("history"))
      .map((name) => [name, readFileSync(join(at.data, name)).toString("base64")]);
  const before = kept();
  expect((await backup(file)).status).toBe(0);
  expect([kept(), readdirSync(out)]).toEqual([before, ["copy.db"]]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect((await restored(file)).slice(0, safe.length)).toEqual(safe);
  // The hub finds everything as it was, and its socket is there again.
  const { hub: second, seen: after } = await fed();
  expect(after.slice(0, safe.length)).toEqual(safe);
  expect((await backup(join(out, "second.db"))).status).toBe(0);
  expect(second.output()).toContain("sent a backup");
});

test("an existing file is never overwritten, and a missing folder is named", async () => {
  await fed();
  const file = join(out, "copy.db");
  writeFileSync(file, "precious");
  const refused = await backup(file);
  expect(refused).toEqual({ status: 1, output: expect.stringContaining(`${file}: it already exists`) });
  expect(readFileSync(file, "utf8")).toBe("precious");
  for (const path of [join(out, "none", "copy.db"), join(out, "none", "copy/")]) {
    expect(await backup(path)).toEqual({
      status: 1,
      output: `gohm: Cannot back up to ${path.replace(/\/$/, "")}: the folder ${join(out, "none")} does not exist\n`,
    });
  }
  const below = await backup(join(file, "copy.db"));
  expect(below).toEqual({
    status: 1,
    output: `gohm: Cannot back up to ${join(file, "copy.db")}: ${file} is not a folder\n`,
  });
  expect(readdirSync(out)).toEqual(["copy.db"]);
});

test.each([[[]], [["x", "y"]], [[""]]])("gohm backup with %j is refused with what it wants", async (words) => {
  expect(await backup(...words)).toEqual({ status: 1, output: expect.stringContaining("wants one file") });
});

test("a data folder without a history is named, and none is created", async () => {
  const refused = await backup(join(out, "copy.db"));
  expect(refused).toEqual({ status: 1, output: expect.stringContaining(`no history in ${at.data}`) });
  expect([existsSync(at.data), readdirSync(out)]).toEqual([false, []]);
});

/** Something that listens where a hub would. */
async function pretend(answer: (response: ServerResponse) => void): Promise<void> {
  mkdirSync(join(at.data, "control"), { recursive: true });
  const pretended = createServer((_, response) => answer(response));
  server = pretended;
  await new Promise<void>((done) => pretended.listen(join(at.data, "control", "socket"), done));
}

test.each([
  ["before it answers", (response: ServerResponse) => void response.destroy()],
  [
    "in the middle of the copy",
    (response: ServerResponse) => {
      response.writeHead(200, { "content-length": 1000 });
      response.write("half", () => response.destroy());
    },
  ],
])("a hub that ends %s leaves no partial copy", async (_, end) => {
  await pretend(end);
  expect(await backup(join(out, "copy.db"))).toEqual({
    status: 1,
    output: expect.stringContaining("The hub ended before the copy was complete"),
  });
  expect(readdirSync(out)).toEqual([]);
});

test("the error of a hub that cannot make a copy is printed", async () => {
  await pretend((response) => {
    response.writeHead(500).end(JSON.stringify({ error: { code: "backup_failed", message: "no room" } }));
  });
  expect(await backup(join(out, "copy.db"))).toEqual({ status: 1, output: expect.stringContaining("no room") });
  expect(readdirSync(out)).toEqual([]);
});

test.runIf(process.getuid?.() === 0)("another user of the machine gets no copy", async () => {
  await fed();
  for (const folder of [at.folder, at.data, out]) chmodSync(folder, 0o777);
  const file = join(out, "copy.db");
  const child = spawn(process.execPath, [join(top, "dist", "gohm.mjs"), "backup", file], {
    env: { GOHM_DATA: at.data },
    stdio: ["ignore", "pipe", "pipe"],
    ...{ uid: 65_534, gid: 65_534 },
  });
  const program = programOf(child, "gohm backup");
  await new Promise((resolve) => program.child.once("close", resolve));
  expect([program.child.exitCode, program.output()]).toEqual([1, expect.stringContaining("belongs to another user")]);
  expect(readdirSync(out)).toEqual([]);
});

test("a data folder with a long name works like any other", async () => {
  const data = join(at.folder, "x".repeat(120));
  at = { ...at, data };
  await fed();
  expect((await backup(join(out, "copy.db"))).status).toBe(0);
});
