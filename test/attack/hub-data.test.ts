// What may happen to the folder with the history: a full disk at the start, and files that others could read.
import { once } from "node:events";
import { chmodSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { canMount, type Disk, smallDisk } from "../disk.ts";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { getHistory, type HubFolder, hubFolder, launch, type RunningHub, startHub } from "../hub.ts";
import { start } from "../program.ts";

let at: HubFolder;
let host: PlayedHost;
let hub: RunningHub | undefined;
let disk: Disk | undefined;
const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 20_000, interval: 50 });

async function begin(env: Readonly<Record<string, string>> = {}): Promise<RunningHub> {
  hub = await startHub(at, env);
  return hub;
}
const times = async (of: RunningHub): Promise<bigint[]> =>
  (await getHistory(of.history, { id: "a_0", type: "util" })).t;
/** Samples that are on the disk, as two more polls have come since. */
async function safe(of: RunningHub): Promise<bigint[]> {
  const found = await times(of);
  await until(async () => expect((await times(of)).length).toBeGreaterThanOrEqual(found.length + 2));
  return found;
}
const health = async ({ url }: RunningHub) =>
  (await (await fetch(`${url}/api/health`)).json()) as { open: number; notices: string[] };

beforeEach(async () => {
  at = hubFolder();
  host = await playHost(() => machine(Date.now()));
  at.write({ servers: { a: host.address }, poll: { interval: 1 } });
});

afterEach(async () => {
  await hub?.stop("SIGKILL");
  disk?.remove();
  [hub, disk] = [undefined, undefined];
  host.close();
  at.remove();
});

test.skipIf(!canMount())(
  "a hub starts on a full disk: it shows live values, says what is wrong, has its history, and writes again when there is room",
  async () => {
    disk = smallDisk("4m");
    const env = { GOHM_DATA: join(disk.path, "data") };
    const first = await begin(env);
    await until(async () => expect((await times(first)).length).toBeGreaterThanOrEqual(2));
    await until(() => expect(readdirSync(env.GOHM_DATA).join()).toContain("history.journal-"));
    const before = await safe(first);
    await first.stop();
    disk.fill();
    const second = await begin(env);
    await until(async () => {
      const { open, notices } = await health(second);
      expect([open, notices]).toEqual([1, [expect.stringMatching(/^History cannot be written to .*no space left/i)]]);
    });
    expect(await times(second)).toEqual(expect.arrayContaining(before));
    disk.free();
    await until(async () => expect((await health(second)).notices).toEqual([]));
  },
);

const modes = (folder: string): Record<string, string> =>
  Object.fromEntries(
    ["", ...readdirSync(folder)].map((name) => [name, (statSync(join(folder, name)).mode & 0o777).toString(8)]),
  );

test("nobody but the hub's user can read the history, whatever the umask, also in a folder that was open before", async () => {
  const umask = process.umask(0o022);
  try {
    const closed = async (): Promise<void> => {
      await until(() => expect(readdirSync(at.data).join()).toContain("history.journal-"));
      const { "": folder, control, ...files } = modes(at.data);
      expect([folder, control]).toEqual(["700", "700"]);
      expect(Object.keys(files)).toEqual(expect.arrayContaining(["history.db", "history.db-wal", "history.journal-1"]));
      expect(new Set(Object.values(files))).toEqual(new Set(["600"]));
    };
    const first = await begin();
    await closed();
    const copy = start("gohm.mjs", ["backup", join(at.folder, "copy")], { GOHM_DATA: at.data });
    await once(copy.child, "close");
    expect(modes(at.folder).copy).toBe("600");
    await first.stop("SIGKILL");
    // As an earlier version left it.
    chmodSync(at.data, 0o755);
    for (const name of readdirSync(at.data)) if (name.startsWith("history.")) chmodSync(join(at.data, name), 0o644);
    writeFileSync(join(at.data, "history.db.damaged-1"), "", { mode: 0o644 });
    await begin();
    await closed();
  } finally {
    process.umask(umask);
  }
});

test("history.db that is deleted under a running hub is written again when that stops, and no second hub starts meanwhile", async () => {
  const first = await begin();
  await until(async () => expect((await times(first)).length).toBeGreaterThanOrEqual(2));
  const before = await safe(first);
  rmSync(join(at.data, "history.db"));
  const second = launch(at);
  await once(second.child, "close");
  expect(second.output()).toMatch(/Another hub is using the data folder/);
  expect(readdirSync(at.data)).not.toContain("history.db");
  await first.stop();
  expect(await times(await begin())).toEqual(expect.arrayContaining(before));
});

test("emptying history.db under a running hub loses nothing that is in the journal, and the log says so", async () => {
  const first = await begin();
  await until(async () => expect((await times(first)).length).toBeGreaterThanOrEqual(2));
  await first.stop();
  const second = await begin();
  // These are in the file alone.
  const gone = new Set(await times(second));
  await until(async () => expect((await times(second)).some((t) => !gone.has(t))).toBe(true));
  const before = (await safe(second)).filter((t) => !gone.has(t));
  truncateSync(join(at.data, "history.db"));
  await second.stop();
  expect(second.output()).toMatch(/error .*history.* was emptied/);
  expect(await times(await begin())).toEqual(expect.arrayContaining(before));
});
