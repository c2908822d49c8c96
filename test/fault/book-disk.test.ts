// A disk that is full or read-only, and a file that is damaged: the book says so, loses nothing that was confirmed, and the
// hub goes on.
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AuditEntry, Book } from "../../hub/book/book.ts";
import { BookFixture } from "../book.ts";
import { canMount, type Disk, smallDisk } from "../disk.ts";
import { type HubFolder, hubFolder, launch, startHub } from "../hub.ts";
import type { Program } from "../program.ts";

const onDisk = test.skipIf(!canMount());
let folder = "";
let disk: Disk | undefined;
let fixture: BookFixture;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-book-"));
  fixture = new BookFixture();
});

afterEach(() => {
  fixture.close();
  disk?.remove();
  disk = undefined;
  rmSync(folder, { recursive: true });
});

const open = (where: string): Book => fixture.open(where);

const entry = (target: string): AuditEntry => ({
  time: 1,
  actor: "a",
  origin: "o",
  action: "n",
  target,
  details: { text: "x".repeat(2000) },
  result: "done",
});
const append = (book: Book, target: string): number => book.write((writer) => writer.appendAudit(entry(target)));
const targets = (book: Book): string[] => book.audit({ limit: 1000 }).map(({ target }) => target);

/** Bytes that are free at first: a page more or less is left when a change does not fit any more. */
const room = Array.from({ length: 8 }, (_, i) => 100_000 + i * 4096);

onDisk.each(room)(
  "on a disk with %i bytes a change is refused as a whole when it is full, reading goes on, and nothing that was confirmed is lost",
  (butFor) => {
    disk = smallDisk("2m");
    const data = join(disk.path, "data");
    mkdirSync(data);
    const book = open(data);
    const confirmed: string[] = [];
    disk.fill(butFor);
    let refused: unknown;
    for (let i = 0; i < 500 && refused === undefined; i++) {
      try {
        append(book, `t${i}`);
        confirmed.unshift(`t${i}`);
      } catch (error) {
        refused = error;
      }
    }
    expect(refused).toMatchObject({ code: "book_unusable", message: expect.stringMatching(/gohm\.db: .*full/) });
    expect([targets(book), [...fixture.notices.keys()], fixture.log.lines.length]).toEqual([confirmed, ["book"], 1]);
    expect(() => append(book, "again")).toThrow(expect.objectContaining({ code: "book_unusable" }));
    fixture.runTimers();
    expect([fixture.notices.size, fixture.log.lines.length]).toEqual([1, 1]);
    // A hub that starts now has its book.
    book.close();
    const second = open(data);
    expect(targets(second)).toEqual(confirmed);
    expect(() => append(second, "again")).toThrow(expect.objectContaining({ code: "book_unusable" }));
    disk.free();
    fixture.runTimers();
    expect([fixture.notices.size, fixture.log.lines.at(-1)]).toEqual([0, "administration data can be written again"]);
    append(second, "later");
    second.close();
    expect(targets(open(data))).toEqual(["later", ...confirmed]);
  },
);

onDisk("a book that cannot be created on a full disk is created when there is space", () => {
  disk = smallDisk("1m");
  const data = join(disk.path, "data");
  mkdirSync(data);
  disk.fill();
  const book = open(data);
  expect(() => targets(book)).toThrow(expect.objectContaining({ code: "book_unusable" }));
  expect(fixture.notices.get("book")).toMatch(
    /Cannot use the administration data in .*Live values and history still work/,
  );
  disk.free();
  fixture.runTimers();
  expect([targets(book), fixture.notices.size]).toEqual([[], 0]);
});

onDisk("on a read-only disk the book is left as it is", () => {
  disk = smallDisk("1m");
  append(open(disk.path), "kept");
  fixture.books.pop()?.close();
  const before = readFileSync(join(disk.path, "gohm.db"));
  disk.remount("ro");
  const book = open(disk.path);
  expect(() => append(book, "x")).toThrow(expect.objectContaining({ code: "book_unusable" }));
  disk.remount("rw");
  expect([readdirSync(disk.path), readFileSync(join(disk.path, "gohm.db")).equals(before)]).toEqual([
    ["gohm.db"],
    true,
  ]);
  expect(targets(book)).toEqual(["kept"]);
});

const seed = Number(process.env.GOHM_TEST_SEED ?? Date.now() % 1_000_000);
const path = (): string => join(folder, "gohm.db");

/** A book with ten entries, as a hub that was stopped leaves it. */
function filled(): Buffer {
  const book = open(folder);
  for (let i = 0; i < 10; i++) append(book, `t${i}`);
  book.close();
  return readFileSync(path());
}
const all = Array.from({ length: 10 }, (_, i) => `t${9 - i}`);

test(`one bit flipped anywhere leaves all entries, a new file with the old one beside it, or a refusal (seed ${seed})`, () => {
  const whole = filled();
  let state = seed + 1;
  const random = (below: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  let moved = 0;
  for (let i = 0; i < 200; i++) {
    // The head of the file is worth a look of its own.
    const at = i < 100 ? i : 100 + random(whole.length - 100);
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    writeFileSync(path(), bytes);
    fixture.notices.clear();
    const found = look();
    if (Array.isArray(found)) expect(found.length === 0 || found.length === 10, `byte ${at}`).toBe(true);
    const damaged = readdirSync(folder).filter((name) => name.startsWith("gohm.db.damaged"));
    expect(Array.isArray(found) && found.length === 0, `byte ${at}`).toBe(damaged.length > 0);
    if (damaged.length > 0) expect(fixture.notices.get("book damaged"), `byte ${at}`).toContain(damaged[0]);
    moved += damaged.length;
  }
  expect(moved).toBeGreaterThan(10);
});

/** The entries of the book, or why there are none. */
function look(): string[] | string {
  const book = attempt(() => open(folder));
  if (typeof book === "string") return book;
  const found = attempt(() => targets(book));
  book.close();
  return found;
}

function attempt<T>(work: () => T): T | string {
  try {
    return work();
  } catch (error) {
    return String((error as { code?: string }).code);
  }
}

test("a book that is truncated, or not a database, is moved aside", () => {
  for (const change of [() => truncateSync(path(), 5000), () => writeFileSync(path(), "x".repeat(5000))]) {
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    filled();
    change();
    expect(look()).toEqual([]);
    expect(readdirSync(folder)).toContain("gohm.db.damaged-1");
  }
  filled();
  expect(targets(open(folder))).toEqual(all);
});

let at: HubFolder | undefined;
let programs: Program[] = [];
afterEach(async () => {
  await Promise.all(programs.map((program) => program.stop("SIGKILL")));
  programs = [];
  at?.remove();
});

test("a hub with a damaged book starts, and its page says where the old one is; with one of a newer version it does not", async () => {
  at = hubFolder();
  at.write({ servers: {} });
  mkdirSync(at.data);
  writeFileSync(join(at.data, "gohm.db"), "x".repeat(5000));
  const hub = await startHub(at);
  programs.push(hub);
  const { notices: told } = (await (await fetch(`${hub.url}/api/health`)).json()) as { notices: string[] };
  await hub.stop();
  expect(told).toEqual([expect.stringMatching(/^Administration data .* is damaged .*gohm\.db\.damaged-1/)]);
  expect(hub.output()).toMatch(/error Administration data .*gohm\.db\.damaged-1/);
  const bytes = readFileSync(join(at.data, "gohm.db"));
  bytes.writeUInt32BE(99, 60);
  writeFileSync(join(at.data, "gohm.db"), bytes);
  const refused = launch(at);
  programs.push(refused);
  const [status] = await once(refused.child, "close");
  expect([status, refused.output()]).toEqual([
    1,
    expect.stringMatching(/^gohm: .*gohm\.db was written by a newer version/),
  ]);
  expect(readFileSync(join(at.data, "gohm.db")).equals(bytes)).toBe(true);
});
