// Copies of a history that no hub has open: whole, or refused; what they are taken of stays as it is in any case.
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fleet, writeFirst } from "../../../test/first.ts";
import { day, gpu, pairs, poll, StoreFixture, start, temperature } from "../../../test/store.ts";
import { systemClock } from "../../clock.ts";
import { type Log, silent } from "../../log.ts";
import { copyHistory } from "./copy.ts";

let scene: StoreFixture;
let out = "";
const source = (): string => join(scene.folder, "history.db");
const target = (): string => join(out, "copy.db");

beforeEach(() => {
  scene = new StoreFixture();
  out = mkdtempSync(join(tmpdir(), "gohm-copy-"));
});
afterEach(() => {
  scene.remove();
  rmSync(out, { recursive: true });
});

const copy = (log: Log = silent): Promise<void> =>
  copyHistory({ folder: scene.folder, path: target(), clock: systemClock, log });

/** Every file of the history, to the byte and the nanosecond. */
function state(): unknown {
  return readdirSync(scene.folder)
    .sort()
    .map((name) => {
      const { ino, mtimeNs } = statSync(join(scene.folder, name), { bigint: true });
      return [name, ino, mtimeNs, readFileSync(join(scene.folder, name)).toString("base64")];
    });
}

/** A hub that was killed: some of its samples are in rows, the newest in the journal only. */
async function killed(): Promise<void> {
  const one = scene.open();
  for (let i = 0; i < 100; i++) one.append(poll(start + i * 10_000, gpu({ gpu_temperature: i })));
  await scene.leap(day);
  for (let i = 0; i < 50; i++) one.append(poll(scene.now + i * 1000, gpu({ gpu_temperature: 100 + i })));
  await scene.pass(2000);
  scene.abandon(one);
  expect(readdirSync(scene.folder).some((name) => name.startsWith("history.journal-"))).toBe(true);
}

async function restored(): Promise<StoreFixture> {
  const other = new StoreFixture(mkdtempSync(join(tmpdir(), "gohm-copy-of-")));
  other.now = scene.now;
  copyFileSync(target(), join(other.folder, "history.db"));
  return other;
}

test("a copy holds what is in rows and what is in the journal, and nothing is changed for it", async () => {
  await killed();
  const before = state();
  await copy();
  expect(state()).toEqual(before);
  expect(readdirSync(out)).toEqual(["copy.db"]);
  const other = await restored();
  const found = await pairs(other.open(), temperature());
  other.remove();
  expect(found.map(([, value]) => value)).toEqual(Array.from({ length: 150 }, (_, i) => i));
});

test("a history of the first version is copied as it is, not brought into another form", async () => {
  const held = writeFirst(source(), fleet(2, 200));
  const before = state();
  await copy();
  expect([state(), readdirSync(out)]).toEqual([before, ["copy.db"]]);
  const file = new Database(target(), { readonly: true });
  expect(file.pragma("user_version", { simple: true })).toBe(1);
  file.close();
  scene.now = start + day;
  const other = await restored();
  const one = other.open();
  for (const [id, samples] of held) expect([id, await pairs(one, JSON.parse(id))]).toEqual([id, samples]);
  other.remove();
});

function sql(text: string): void {
  const file = new Database(source());
  file.exec(text);
  file.close();
}

const flip = (at: number): void => {
  const bytes = readFileSync(source());
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  writeFileSync(source(), bytes);
};

test.each<[string, () => void, string, RegExp]>([
  ["is cut short", () => truncateSync(source(), 3000), "database_damaged", /^The history is damaged \(.*\)$/s],
  ["has a damaged page", () => flip(1024 * 3), "database_damaged", /is damaged/],
  [
    "is of the first version and damaged",
    () => {
      rmSync(source());
      writeFirst(source(), fleet(2, 200));
      flip(4096 * 3);
    },
    "database_damaged",
    /is damaged/,
  ],
  ["is no database any more", () => writeFileSync(source(), "x".repeat(4096)), "database_damaged", /is damaged/],
  ["has other tables", () => sql("DROP TABLE hour"), "database_damaged", /is damaged/],
  [
    "is of a newer hub",
    () => sql("PRAGMA user_version = 99"),
    "data_newer",
    /newer version of the hub \(its schema is 99/,
  ],
  [
    "is another program's",
    () => sql("PRAGMA application_id = 7; CREATE TABLE x (y)"),
    "data_folder_unusable",
    /another program/,
  ],
])("a history that %s is refused, and stays as it is", async (_, change, code, message) => {
  const one = scene.open();
  for (let i = 0; i < 100; i++) one.append(poll(start + i * 10_000, gpu({ gpu_temperature: i })));
  scene.shut(one);
  change();
  const before = state();
  const refusal = (await copy().catch((error: unknown) => error)) as Error;
  expect(refusal).toMatchObject({ name: "Fault", code, message: expect.stringMatching(message) });
  expect(refusal.message).not.toContain(out);
  expect([state(), readdirSync(out)]).toEqual([before, []]);
});

test("damage in the journal costs what is in the damaged place, and is told by the name of the file itself", async () => {
  await killed();
  const [name = ""] = readdirSync(scene.folder).filter((file) => file.startsWith("history.journal-"));
  appendFileSync(join(scene.folder, name), "torn");
  const lines: string[] = [];
  await copy({ ...silent, error: (line) => lines.push(line) });
  expect(lines).toEqual([expect.stringContaining(`${join(scene.folder, name)} is damaged or cut short in 4 bytes`)]);
});

test("a history that somebody writes to meanwhile is refused: files of different moments are no history", async () => {
  await killed();
  const journal = join(scene.folder, "history.journal-9");
  let ended = false;
  const write = (): void => {
    if (ended) return;
    appendFileSync(journal, "more");
    setImmediate(write);
  };
  write();
  const refusal = await copy().catch((error: unknown) => error);
  ended = true;
  expect(refusal).toMatchObject({
    code: "data_folder_busy",
    message: expect.stringContaining("changes while it is read"),
  });
  expect(readdirSync(out)).toEqual([]);
});

test("what is left in the folder of the copy by others is not touched", async () => {
  await killed();
  mkdirSync(`${target()}.work`);
  writeFileSync(join(`${target()}.work`, "precious"), "x");
  await expect(copy()).rejects.toThrow(/EEXIST/);
  expect(readdirSync(`${target()}.work`)).toEqual(["precious"]);
});
