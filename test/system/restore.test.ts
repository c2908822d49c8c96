// gohm backup FOLDER/ and gohm restore, the real commands beside the real hub.
import { once } from "node:events";
import {
  appendFileSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { contentOf } from "../book.ts";
import { audited, entry, fillFolder, ten, values, withBook } from "../data.ts";
import { canMount, type Disk, smallDisk } from "../disk.ts";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { getHistory, type HubFolder, hubFolder, launch, type RunningHub, startHub } from "../hub.ts";
import { type Program, start } from "../program.ts";

let at: HubFolder;
let out = "";
let host: PlayedHost | undefined;
let hub: RunningHub | undefined;
let disk: Disk | undefined;

beforeEach(() => {
  at = hubFolder();
  out = mkdtempSync(join(tmpdir(), "gohm-restore-"));
  at.write({ servers: {} });
});

afterEach(async () => {
  await Promise.all(programs.map((program) => program.stop("SIGKILL")));
  programs = [];
  await hub?.stop();
  host?.close();
  disk?.remove();
  [hub, host, disk] = [undefined, undefined, undefined];
  at.remove();
  rmSync(out, { recursive: true });
});

/** Stopped after each test, also when it fails. */
let programs: Program[] = [];
function run(words: readonly string[], data = at.data): Program {
  const program = start("gohm.mjs", words, { GOHM_DATA: data });
  programs.push(program);
  return program;
}

async function gohm(words: readonly string[], data = at.data): Promise<{ status: unknown; output: string }> {
  const program = run(words, data);
  const [status] = await once(program.child, "close");
  return { status, output: program.output() };
}

/** The hub's data folder is gone, as after the disk was replaced. */
const lose = (): void => rmSync(at.data, { recursive: true });
const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
const folder = (): string => join(out, "copy");
const file = (): string => join(out, "copy.db");

test("a backup folder has every database of a running hub, and a restored hub has them", async () => {
  host = await playHost(() => machine(Date.now()));
  at.write({ servers: { a: host.address }, poll: { interval: 1 } });
  mkdirSync(at.data);
  withBook(at.data, (book) => book.write((writer) => writer.appendAudit(entry)));
  const first = await startHub(at);
  hub = first;
  const seen = async (of: RunningHub) => (await getHistory(of.history, { id: "a_0", type: "gpumem" })).t;
  await vi.waitFor(async () => expect((await seen(first)).length).toBeGreaterThan(2), {
    timeout: 20_000,
    interval: 50,
  });
  const before = await seen(first);
  expect(await gohm(["backup", `${folder()}/`])).toEqual({
    status: 0,
    output: expect.stringMatching(/^\S+copy\/history\.db: \d+\.\d KB\n\S+copy\/gohm\.db: \d+\.\d KB\n$/),
  });
  expect([readdirSync(out), readdirSync(folder()).sort()]).toEqual([["copy"], ["gohm.db", "history.db"]]);
  expect([folder(), join(folder(), "gohm.db"), join(folder(), "history.db")].map(mode)).toEqual(["700", "600", "600"]);
  expect(readdirSync(join(at.data, "control"))).toEqual(["socket"]);
  await first.stop();
  lose();
  expect(await gohm(["restore", folder()])).toMatchObject({ status: 0, output: expect.stringContaining("gohm.db: ") });
  expect(readdirSync(at.data).sort()).toEqual(["gohm.db", "history.db"]);
  expect([at.data, join(at.data, "gohm.db"), join(at.data, "history.db")].map(mode)).toEqual(["700", "600", "600"]);
  expect(audited(at.data)).toEqual(["kept"]);
  at.write({ servers: {} });
  hub = await startHub(at);
  expect((await seen(hub)).slice(0, before.length)).toEqual(before);
});

test("a backup folder has every database of a stopped hub, and does not change them", async () => {
  await fillFolder(at.data);
  const administration = (): unknown => withBook(at.data, (book) => contentOf(book, entry.time));
  const content = administration();
  const before = readdirSync(at.data).map((name) => [name, readFileSync(join(at.data, name)).toString("base64")]);
  expect((await gohm(["backup", `${folder()}/`])).status).toBe(0);
  expect(readdirSync(at.data).map((name) => [name, readFileSync(join(at.data, name)).toString("base64")])).toEqual(
    before,
  );
  lose();
  expect((await gohm(["restore", `${folder()}/`])).status).toBe(0);
  expect([await values(at.data), audited(at.data)]).toEqual([ten, ["kept"]]);
  expect(administration()).toEqual(content);
});

test("a backup file has only the history, and both backup and restore say so", async () => {
  await fillFolder(at.data);
  expect(await gohm(["backup", file()])).toMatchObject({ status: 0, output: expect.stringContaining("history alone") });
  lose();
  expect(await gohm(["restore", file()])).toMatchObject({
    status: 0,
    output: expect.stringMatching(
      /^\S+history\.db: \d+\.\d KB\nNo administration data in \S+copy\.db: the hub begins a new gohm\.db\n$/,
    ),
  });
  expect(readdirSync(at.data)).toEqual(["history.db"]);
  expect(await values(at.data)).toEqual(ten);
});

test("a data folder without a book, as version 0.1.0 left it, is copied and restored without one", async () => {
  await fillFolder(at.data);
  rmSync(join(at.data, "gohm.db"));
  expect((await gohm(["backup", `${folder()}/`])).status).toBe(0);
  expect(readdirSync(folder())).toEqual(["history.db"]);
  lose();
  expect((await gohm(["restore", folder()])).status).toBe(0);
  expect(await values(at.data)).toEqual(ten);
});

test("an empty folder is replaced by the backup; one with something in it, a file or a link is refused", async () => {
  await fillFolder(at.data);
  mkdirSync(folder());
  expect((await gohm(["backup", folder()])).status).toBe(0);
  expect(readdirSync(folder()).sort()).toEqual(["gohm.db", "history.db"]);
  expect(await gohm(["backup", folder()])).toMatchObject({
    status: 1,
    output: expect.stringContaining("it is not empty"),
  });
  writeFileSync(join(out, "file"), "precious");
  mkdirSync(join(out, "empty"));
  symlinkSync(join(out, "empty"), join(out, "link"));
  for (const name of ["file", "link"]) {
    const refused = await gohm(["backup", `${join(out, name)}/`]);
    expect(refused).toMatchObject({ status: 1, output: expect.stringMatching(/is not a directory/) });
  }
  expect(readFileSync(join(out, "file"), "utf8")).toBe("precious");
  expect([readdirSync(out).sort(), readdirSync(join(out, "empty"))]).toEqual([["copy", "empty", "file", "link"], []]);
});

test("an empty data folder is named, and no backup is made", async () => {
  const refused = { status: 1, output: expect.stringContaining(`no database of a hub in ${at.data}`) };
  expect(await gohm(["backup", `${folder()}/`])).toEqual(refused);
  expect([existsSync(at.data), readdirSync(out)]).toEqual([false, []]);
});

/** A backup folder with ten samples and an audit entry. */
const made = async (): Promise<void> => fillFolder(folder());

const flip = (path: string, from: number): void => {
  const bytes = readFileSync(path);
  bytes.fill(0xaa, from, from + 500);
  writeFileSync(path, bytes);
};
function sql(path: string, text: string): void {
  const opened = new Sqlite(path);
  opened.exec(text);
  opened.close();
}

test.each<[string, () => void, RegExp]>([
  [
    "has a damaged history",
    () => flip(join(folder(), "history.db"), 3000),
    /Cannot restore .*history\.db: The history is damaged \([^\n]*\)\n$/,
  ],
  ["has a damaged book", () => flip(join(folder(), "gohm.db"), 4096), /Cannot restore .*gohm\.db is damaged/],
  [
    "has a book that is cut short",
    () => writeFileSync(join(folder(), "gohm.db"), readFileSync(join(folder(), "gohm.db")).subarray(0, 5000)),
    /gohm\.db is damaged/,
  ],
  [
    "has a book that is no database",
    () => writeFileSync(join(folder(), "gohm.db"), "x".repeat(9000)),
    /gohm\.db is damaged/,
  ],
  [
    "has a book of a newer version",
    () => sql(join(folder(), "gohm.db"), "PRAGMA user_version = 99"),
    /gohm\.db: it was written by a newer version/,
  ],
  [
    "has a history of a newer version",
    () => sql(join(folder(), "history.db"), "PRAGMA user_version = 99"),
    /history\.db: it was written by a newer version/,
  ],
  [
    "has another program's database for a book",
    () => sql(join(folder(), "gohm.db"), "PRAGMA application_id = 7"),
    /gohm\.db: it is not a hub's book/,
  ],
  [
    "has its databases exchanged",
    () => {
      renameSync(join(folder(), "gohm.db"), join(folder(), "x"));
      renameSync(join(folder(), "history.db"), join(folder(), "gohm.db"));
      renameSync(join(folder(), "x"), join(folder(), "history.db"));
    },
    /history\.db: it is not a hub's history/,
  ],
  [
    "has a database of another program or of a newer version",
    () => writeFileSync(join(folder(), "more.db"), ""),
    /more\.db is not a database of GOHM, or of a newer version/,
  ],
  [
    "has no database",
    () => ["gohm.db", "history.db"].map((name) => rmSync(join(folder(), name))),
    /contains no database of a hub/,
  ],
  ["is not there", () => rmSync(folder(), { recursive: true }), /it does not exist/],
])("a backup that %s is refused, and nothing of it is in the data folder", async (_, change, message) => {
  await made();
  change();
  const refused = await gohm(["restore", folder()]);
  expect(refused).toEqual({ status: 1, output: expect.stringMatching(message) });
  expect(refused.output.trim().split("\n").at(-1)).not.toContain("restore.partial");
  expect(existsSync(at.data)).toBe(false);
});

test("an existing data folder stays, and stays empty, if a backup is refused", async () => {
  await made();
  flip(join(folder(), "gohm.db"), 4096);
  mkdirSync(at.data);
  expect((await gohm(["restore", folder()])).status).toBe(1);
  expect(readdirSync(at.data)).toEqual([]);
});

test.each(["history.db", "gohm.db"])(
  "a hub that was stopped with a damaged %s is not copied, and the way out is named",
  async (name) => {
    await fillFolder(at.data);
    writeFileSync(join(at.data, name), "x".repeat(9000));
    expect(await gohm(["backup", `${folder()}/`])).toEqual({
      status: 1,
      output: expect.stringMatching(
        /is damaged.*, so that no whole copy can be made of it; start the hub, which keeps what is intact/,
      ),
    });
    expect(readdirSync(out)).toEqual([]);
  },
);

test("a data folder that is not empty is refused, and not changed; a leftover socket of a hub does not count", async () => {
  await made();
  mkdirSync(join(at.data, "control"), { recursive: true });
  writeFileSync(join(at.data, "notes.txt"), "precious");
  const refused = await gohm(["restore", folder()]);
  expect(refused).toEqual({
    status: 1,
    output: expect.stringMatching(
      /Cannot restore into .*not empty \(notes\.txt\); stop the hub .* name another folder \(--data, GOHM_DATA\)/,
    ),
  });
  expect(readdirSync(at.data).sort()).toEqual(["control", "notes.txt"]);
  rmSync(join(at.data, "notes.txt"));
  expect((await gohm(["restore", folder()])).status).toBe(0);
  expect([await values(at.data), audited(at.data)]).toEqual([ten, ["kept"]]);
});

test("a data folder in which a hub runs is refused", async () => {
  await made();
  hub = await startHub(at);
  const refused = await gohm(["restore", folder()]);
  expect(refused).toEqual({
    status: 1,
    output: expect.stringMatching(/Another hub is using the data folder \S+ \(--data, GOHM_DATA\)/),
  });
});

test("links to a backup and to a data folder are followed", async () => {
  await made();
  const [backup, data, real] = [join(out, "latest"), join(out, "data"), join(out, "disk")];
  mkdirSync(real);
  symlinkSync(folder(), backup);
  symlinkSync(real, data);
  expect((await gohm(["restore", backup], data)).status).toBe(0);
  expect(readdirSync(real).sort()).toEqual(["gohm.db", "history.db"]);
  copyFileSync(join(folder(), "history.db"), file());
  symlinkSync(file(), join(out, "latest.db"));
  expect((await gohm(["restore", join(out, "latest.db")])).status).toBe(0);
  expect(await values(at.data)).toEqual(ten);
});

test.runIf(process.getuid?.() === 0)("what root restores belongs to the owner of the data folder", async () => {
  await made();
  mkdirSync(at.data);
  chownSync(at.data, 65_534, 65_534);
  expect((await gohm(["restore", folder()])).status).toBe(0);
  for (const name of ["gohm.db", "history.db"]) {
    const { uid, gid } = statSync(join(at.data, name));
    expect([name, uid, gid]).toEqual([name, 65_534, 65_534]);
  }
});

test("a restore interrupted before all was checked has no effect, and no hub starts during a restore", async () => {
  await made();
  mkdirSync(join(at.data, "restore.partial-0123"), { recursive: true });
  copyFileSync(join(folder(), "history.db"), join(at.data, "restore.partial-0123", "history.db"));
  const early = launch(at);
  programs.push(early);
  const [status] = await once(early.child, "close");
  expect([status, early.output()]).toEqual([
    1,
    expect.stringMatching(/^gohm: A restore into .* was interrupted.*gohm restore again/),
  ]);
  expect(readdirSync(at.data)).toEqual(["restore.partial-0123"]);
  expect((await gohm(["restore", folder()])).status).toBe(0);
  expect(readdirSync(at.data).sort()).toEqual(["gohm.db", "history.db"]);
});

test("a restore interrupted after all was checked is completed by the hub", async () => {
  await made();
  mkdirSync(join(at.data, "restore.ready"), { recursive: true });
  copyFileSync(join(folder(), "history.db"), join(at.data, "history.db"));
  copyFileSync(join(folder(), "gohm.db"), join(at.data, "restore.ready", "gohm.db"));
  hub = await startHub(at);
  await hub.stop();
  expect(readdirSync(at.data)).not.toContain("restore.ready");
  expect([await values(at.data), audited(at.data)]).toEqual([ten, ["kept"]]);
});

test("a backup and a restore that are killed at any moment leave nothing partial, and work when run again", async () => {
  await fillFolder(at.data, 3000);
  for (let i = 0; i < 12; i++) {
    const program = run(["backup", `${folder()}/`]);
    const partial = (): string[] => readdirSync(out).filter((name) => name.includes(".partial"));
    await vi.waitFor(() => expect(partial().length + Number(existsSync(folder()))).toBeGreaterThan(0), {
      timeout: 20_000,
      interval: 1 + i,
    });
    await program.stop("SIGKILL");
    if (existsSync(folder())) break;
    for (const name of partial()) rmSync(join(out, name), { recursive: true });
  }
  rmSync(folder(), { recursive: true, force: true });
  expect((await gohm(["backup", `${folder()}/`])).status).toBe(0);
  const data = join(out, "data");
  for (let i = 0; i < 12; i++) {
    const program = run(["restore", folder()], data);
    await vi.waitFor(() => expect(existsSync(data) && readdirSync(data).length).toBeTruthy(), {
      timeout: 20_000,
      interval: 1 + i,
    });
    await program.stop("SIGKILL");
    const names = readdirSync(data).filter((name) => !name.startsWith("restore."));
    const cutOff = readdirSync(data).includes("restore.ready");
    if (!cutOff && names.length > 0) expect(names.sort()).toEqual(["gohm.db", "history.db"]);
    if (names.length > 0) break;
  }
  rmSync(data, { recursive: true });
  expect((await gohm(["restore", folder()], data)).status).toBe(0);
  expect([(await values(data)).length, audited(data)]).toEqual([3000, ["kept"]]);
});

test.skipIf(!canMount())("a disk that is full costs the backup or the restore, and nothing is left of it", async () => {
  await fillFolder(at.data, 3000);
  disk = smallDisk("600k");
  disk.fill(20_000);
  const full = join(disk.path, "copy");
  expect(await gohm(["backup", `${full}/`])).toEqual({
    status: 1,
    output: expect.stringMatching(/^gohm: Cannot back up to .*(full|space)/i),
  });
  expect(readdirSync(disk.path)).toEqual(["filler"]);
  expect((await gohm(["backup", `${folder()}/`])).status).toBe(0);
  const data = join(disk.path, "data");
  expect(await gohm(["restore", folder()], data)).toEqual({
    status: 1,
    output: expect.stringMatching(/^gohm: Cannot restore .*(full|space)/i),
  });
  expect(readdirSync(disk.path)).toEqual(["filler"]);
  disk.free();
  appendFileSync(join(folder(), "notes.txt"), "a backup may hold other things");
  expect((await gohm(["restore", folder()], data)).status).toBe(0);
});
