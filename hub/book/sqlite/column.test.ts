import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BookFixture, fillBook, sha256 } from "../../../test/book.ts";
import { type Book, type BookWriter, everything } from "../book.ts";

const now = 1_800_000_000_000;
let folder = "";
let fixture: BookFixture;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-column-"));
  fixture = new BookFixture();
});

afterEach(() => {
  fixture.close();
  rmSync(folder, { recursive: true });
});

/** A book with a row of each kind. */
function filled(): Book {
  const book = fixture.open(folder);
  book.write((writer) => {
    fillBook(writer, now);
    writer.appendAudit({
      time: now,
      actor: "owner",
      origin: "control",
      action: "a.b",
      target: "gpu1",
      details: {},
      result: "done",
    });
  });
  return book;
}

/** Changes the file by hand, as no hub does. */
function edit(sql: string): void {
  const file = new Sqlite(join(folder, "gohm.db"));
  file.exec(sql);
  file.close();
}

const host = (book: Book): unknown => book.host("gpu1");
const machine = (book: Book): unknown => book.nodeOf(sha256("node"));
const damage: readonly [string, string, (book: Book) => unknown, RegExp][] = [
  ["labels that are numbers", `UPDATE host SET labels = '{"a":1}' WHERE name = 'gpu1'`, host, /labels of "gpu1"/],
  [
    "a configuration of words",
    `UPDATE host SET config = '{"gpuIndices":"all"}' WHERE name = 'gpu1'`,
    host,
    /configuration of "gpu1"/,
  ],
  [
    "a negative index",
    `UPDATE host SET config = '{"gpuIndices":[-1]}' WHERE name = 'gpu1'`,
    host,
    /"gpu1" cannot be read: gpuIndices\.0/,
  ],
  ["no cards", "UPDATE node SET capabilities = '{}' WHERE id = 1", machine, /capabilities of "gpu2"/],
  ["a card that is null", `UPDATE node SET capabilities = '{"gpus":[null]}' WHERE id = 1`, machine, /"gpu2"/],
];

test.each(damage)(
  "%s in a row: whoever needs it is refused, lists go on without it, and a notice names it, once",
  (_, sql, read, message) => {
    const before = filled();
    before.write((writer) => {
      const capabilities = { gpus: [], disks: [], nics: [] };
      const node = { hostname: "gpu3", host: "gpu3", state: "waiting", registered: now, origin: "127.0.0.1" } as const;
      writer.addNode({ ...node, capabilities }, sha256("other"));
      writer.changeHost("gpu3", { group: "a" });
    });
    before.close();
    edit(sql);
    const book = fixture.open(folder);
    for (let i = 0; i < 2; i++) {
      expect(() => read(book)).toThrow(
        expect.objectContaining({ code: "book_unusable", message: expect.stringMatching(message) }),
      );
      const names = [book.hosts().map(({ name }) => name), book.nodes().map(({ hostname }) => hostname)];
      expect(names.map(({ length }) => length).sort()).toEqual([1, 2]);
      expect(names).toEqual([expect.arrayContaining(["gpu3"]), expect.arrayContaining(["gpu3"])]);
    }
    expect(fixture.notices.get("book row")).toMatch(message);
    expect(fixture.log.lines).toEqual([fixture.notices.get("book row")]);
    // What is damaged can be removed.
    book.write((writer) => {
      writer.removeHost("gpu1");
      writer.removeNode(1);
    });
    expect([book.hosts().length, book.nodes().length, read(book)]).toEqual([1, 1, undefined]);
  },
);

test("an audit entry whose details are damaged is in the log without them", () => {
  filled().close();
  edit(`INSERT INTO audit VALUES (2, 7, 'owner', 'control', 'a.b', 'gpu1', '{"a":{}}', 'done')`);
  const book = fixture.open(folder);
  expect(book.audit({ limit: 2 }).map(({ id, time, details }) => [id, time, details])).toEqual([
    [2, 7, { damaged: true }],
    [1, now, {}],
  ]);
  expect(fixture.log.lines).toEqual([expect.stringMatching(/details of "entry 2".*Correct it in .*gohm\.db/)]);
});

test("a key that a later version may add to a configuration or capabilities is ignored, and a label may have any name", () => {
  const book = filled();
  const labels = { constructor: "a", toString: "b", ["__proto__"]: "c" };
  book.write((writer) => writer.changeHost("gpu1", { labels }));
  book.close();
  edit(
    `UPDATE host SET config = '{"gpuIndices":[1],"later":{}}'; UPDATE node SET capabilities = json_set(capabilities, '$.later', 1)`,
  );
  const again = fixture.open(folder);
  const { config, labels: found = {} } = again.host("gpu1") ?? {};
  expect(config).toEqual({ ...everything, gpuIndices: [1] });
  expect(Object.entries(found)).toEqual(Object.entries(labels));
  expect(again.node("gpu2")?.capabilities).not.toHaveProperty("later");
});

const long = "x".repeat(1025);
const writes: readonly [string, (writer: BookWriter) => unknown, RegExp][] = [
  [
    "an empty name",
    (w) => w.addAccount({ name: "", role: "viewer", created: now }, undefined),
    /name of an account .* it has 0/,
  ],
  [
    "a long name",
    (w) => w.addAccount({ name: long, role: "viewer", created: now }, undefined),
    /1 to 1024 bytes.* 1025/,
  ],
  ["half a character", (w) => w.changeHost("gpu\ud800", {}), /valid Unicode/],
  ["a long shown name", (w) => w.changeHost("gpu1", { shown: long }), /shown name/],
  [
    "many labels",
    (w) => w.changeHost("gpu1", { labels: { a: "x".repeat(70_000) } }),
    /labels of "gpu1".* at most 65536 bytes/,
  ],
  [
    "an index that is no number",
    (w) => w.changeHost("gpu1", { config: { ...everything, gpuIndices: [NaN] } }),
    /gpuIndices/,
  ],
  [
    "an interval of 0",
    (w) => w.changeHost("gpu1", { config: { ...everything, reportIntervalSec: 0 } }),
    /reportIntervalSec/,
  ],
  [
    "many cards",
    (w) => {
      const gpus = Array.from({ length: 10_000 }, (_, index) => ({ index, name: "NVIDIA H100" }));
      w.changeNode(1, { capabilities: { gpus, disks: [], nics: [] } });
    },
    /capabilities of "machine 1"/,
  ],
];

test.each(writes)("%s is refused before anything is written", (_, write, message) => {
  const book = filled();
  const before = [book.accounts(), book.hosts(), book.nodes()];
  expect(() => book.write(write)).toThrow(
    expect.objectContaining({ code: "bad_request", message: expect.stringMatching(message) }),
  );
  expect([book.accounts(), book.hosts(), book.nodes()]).toEqual(before);
});

test("no message shows the hash of a password", () => {
  const book = filled();
  const hash = "secret".repeat(1000);
  for (const write of [
    (writer: BookWriter) => writer.changeAccount(1, { password: hash }),
    (writer: BookWriter) => writer.addAccount({ name: "bob", role: "viewer", created: now }, hash),
  ]) {
    expect(() => book.write<unknown>(write)).toThrow(/^(?!.*secret).*1 to 1024 bytes: it has 6000$/);
  }
});

test("a time that is not a number is an error, not a token that never ends", () => {
  const book = filled();
  const token = { name: "x", scope: "admin", created: now, creator: "owner", expires: NaN } as const;
  expect(() => book.write((writer) => writer.addToken(sha256("x"), token))).toThrow(/end of a token must be a whole/);
  expect(() => book.write((writer) => writer.addToken(new Uint8Array(31), token))).toThrow(/SHA-256 has 32 bytes/);
  expect(book.tokens().length).toBe(1);
});
