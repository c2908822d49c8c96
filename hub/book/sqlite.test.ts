import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BookFixture, contentOf, fillBook, sha256 } from "../../test/book.ts";
import { systemClock } from "../clock.ts";
import { definitionsOf } from "../database/database.ts";
import { openDatabase } from "../database/open.ts";
import { silent } from "../log.ts";
import type { AuditEntry, Book } from "./book.ts";
import { bookSchema } from "./sqlite/schema.ts";
import { bookCopies } from "./sqlite.ts";

let folder = "";
let fixture: BookFixture;
const path = (): string => join(folder, "gohm.db");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-book-"));
  fixture = new BookFixture();
});

afterEach(() => {
  fixture.close();
  rmSync(folder, { recursive: true });
});

const open = (): Book => fixture.open(folder);

const now = 1_800_000_000_000;
const entry = (target: string): AuditEntry => ({
  time: 1_700_000_000_000,
  actor: "administrator alice",
  origin: "10.0.0.7",
  action: "test.write",
  target,
  details: { a: 1, b: null, c: true, d: "x" },
  result: "done",
});
const append = (book: Book, target: string): number => book.write((writer) => writer.appendAudit(entry(target)));
const targets = (book: Book): string[] => book.audit({ limit: 1000 }).map(({ target }) => target);

test("entries are read newest first, page by page, as they were written", () => {
  const book = open();
  for (let i = 0; i < 25; i++) append(book, `t${i}`);
  const first = book.audit({ limit: 10 });
  expect(first.map(({ target }) => target)).toEqual(Array.from({ length: 10 }, (_, i) => `t${24 - i}`));
  expect(first[0]).toEqual({ ...entry("t24"), id: 25 });
  append(book, "meanwhile");
  const second = book.audit({ limit: 20, before: first.at(-1)?.id ?? 0 });
  expect(second.map(({ target }) => target)).toEqual(Array.from({ length: 15 }, (_, i) => `t${14 - i}`));
});

test.each([
  [{ limit: 0 }, /1 to 1000 entries: limit is 0/],
  [{ limit: 1001 }, /limit is 1001/],
  [{ limit: 1.5 }, /limit is 1.5/],
  [{ limit: 1, before: Number.NaN }, /"before".*NaN/],
])("a page of %j is refused", (page, message) => {
  const book = open();
  expect(() => book.audit(page)).toThrow(
    expect.objectContaining({ code: "bad_request", message: expect.stringMatching(message) }),
  );
});

test.each([
  "UPDATE audit SET actor = 'nobody'",
  "DELETE FROM audit",
  "INSERT OR REPLACE INTO audit SELECT id, 0, '', '', '', '', '{}', 'done' FROM audit",
  "REPLACE INTO audit (id, time, actor, origin, action, target, details, result) VALUES (1, 0, '', '', '', '', '{}', 'done')",
])("an entry outlives %s, whoever runs it", (sql) => {
  const book = open();
  append(book, "kept");
  book.close();
  const file = new Sqlite(path());
  expect(() => file.exec(sql)).toThrow(/audit entries are never/);
  file.close();
  expect(targets(open())).toEqual(["kept"]);
});

test("an entry that is not complete is in no page; a later one replaces it, and it is appended by its key or with all", () => {
  const book = open();
  const of = (target: string, time: number): AuditEntry => ({ ...entry(target), time });
  book.write((writer) => {
    writer.draftAudit("a", of("first", 1));
    writer.draftAudit("a", of("second", 5));
    writer.draftAudit("b", of("other", 3));
  });
  expect(targets(book)).toEqual([]);
  book.write((writer) => writer.appendDrafts("none"));
  book.write((writer) => writer.appendDrafts("b"));
  book.write((writer) => writer.appendDrafts("b"));
  expect(targets(book)).toEqual(["other"]);
  book.write((writer) => writer.draftAudit("c", of("early", 2)));
  book.close();
  const again = open();
  again.write((writer) => writer.appendDrafts());
  again.write((writer) => writer.appendDrafts());
  expect(targets(again)).toEqual(["second", "early", "other"]);
});

test("a change that throws leaves nothing behind, and numbers of entries are never given again", () => {
  const book = open();
  append(book, "before");
  expect(() =>
    book.write((writer) => {
      writer.appendAudit(entry("undone"));
      expect(writer.audit({ limit: 1 })[0]?.target).toBe("undone");
      throw new Error("on purpose");
    }),
  ).toThrow("on purpose");
  append(book, "after");
  expect(targets(book)).toEqual(["after", "before"]);
  expect([fixture.log.lines, fixture.notices.size]).toEqual([[], 0]);
});

test("what is written is there after the book was closed, and after it was not", () => {
  append(open(), "left open");
  // As a kill leaves it: the files are copied while the book is open.
  const copied = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))] as const);
  fixture.books.pop()?.close();
  for (const [name, bytes] of copied) writeFileSync(join(folder, name), bytes);
  const again = open();
  expect(targets(again)).toEqual(["left open"]);
  append(again, "closed");
  again.close();
  expect(readdirSync(folder)).toEqual(["gohm.db"]);
  expect(targets(open())).toEqual(["closed", "left open"]);
});

test.each(bookSchema.steps.map((_, i) => i + 1))(
  "a book of version %i becomes one of this version, with its entries",
  (version) => {
    const steps = bookSchema.steps.slice(0, version);
    const old = openDatabase(path(), { ...bookSchema, newest: version, steps });
    const insert = "INSERT INTO audit (time, actor, origin, action, target, details, result)";
    old.exec(`${insert} VALUES (1, 'a', 'o', 'n', 'kept', '{}', 'done'), (1, 'a', 'o', 'n', 'old', '{}', 'refused')`);
    old.close();
    const book = open();
    expect(targets(book)).toEqual(["old", "kept"]);
    fixture.now = now;
    fixture.runTimers();
    expect(targets(book)).toEqual(["kept"]);
    book.write((writer) => fillBook(writer, now));
    expect(book.audit({ limit: 10, actor: "a", action: "n", target: "kept" })).toHaveLength(1);
    book.close();
    const [found, fresh] = [new Sqlite(path()), openDatabase(join(folder, "fresh.db"), bookSchema)];
    expect(definitionsOf(found)).toBe(definitionsOf(fresh));
    found.close();
    fresh.close();
  },
);

test("of a machine that waited in a book of version 2, nothing says that the history of its name is its own", () => {
  const old = openDatabase(path(), { ...bookSchema, newest: 2, steps: bookSchema.steps.slice(0, 2) });
  const insert = "INSERT INTO node (hostname, host, state, reset, registered, origin, capabilities)";
  const capabilities = `'{"gpus":[],"disks":[],"nics":[]}'`;
  for (const state of ["waiting", "approved"]) {
    old.exec(`${insert} VALUES ('${state}', '${state}', '${state}', 0, 7, '10.0.0.7', ${capabilities})`);
  }
  old.close();
  expect(
    open()
      .nodes()
      .map(({ hostname, history }) => [hostname, history]),
  ).toEqual([
    ["approved", undefined],
    ["waiting", 7],
  ]);
});

test.each(["DROP TRIGGER audit_delete", "ALTER TABLE audit RENAME COLUMN actor TO bctor", "PRAGMA application_id = 7"])(
  "a book that %s was done to is moved aside",
  (sql) => {
    append(open(), "x");
    fixture.books.pop()?.close();
    const file = new Sqlite(path());
    file.exec(sql);
    file.close();
    expect(targets(open())).toEqual([]);
    expect([fixture.notices.get("book damaged"), fixture.log.lines.length]).toEqual([
      expect.stringMatching(/gohm\.db\.damaged-1/),
      1,
    ]);
  },
);

test("files of the book are its user's alone, whatever the umask", () => {
  const umask = process.umask(0o022);
  append(open(), "x");
  process.umask(umask);
  expect(readdirSync(folder)).toEqual(["gohm.db", "gohm.db-wal"]);
  for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600);
});

test("a second book on the same folder is refused while the first is open", () => {
  open();
  expect(open).toThrow(expect.objectContaining({ code: "data_folder_busy" }));
});

test("a book of a newer version is refused, and stays as it is", () => {
  append(open(), "x");
  fixture.books.pop()?.close();
  const file = new Sqlite(path());
  file.pragma("user_version = 99");
  file.close();
  const before = readFileSync(path());
  expect(open).toThrow(
    expect.objectContaining({ code: "data_newer", message: expect.stringMatching(/its schema is 99/) }),
  );
  // Nothing is left that would look at the file again.
  expect(fixture.timers).toEqual([]);
  expect([readdirSync(folder), readFileSync(path()).equals(before)]).toEqual([["gohm.db"], true]);
});

test("a book that cannot be opened refuses what it is asked, says why once, and is usable when it can be opened", () => {
  rmSync(folder, { recursive: true });
  const book = open();
  const unusable = expect.objectContaining({ code: "book_unusable" });
  expect(() => append(book, "x")).toThrow(unusable);
  expect(() => targets(book)).toThrow(unusable);
  expect([...fixture.notices.keys()]).toEqual(["book"]);
  expect(fixture.log.lines).toEqual([expect.stringMatching(/Cannot use the administration data in .*gohm\.db/)]);
  fixture.runTimers();
  expect(fixture.log.lines.length).toBe(1);
  mkdirSync(folder);
  fixture.runTimers();
  expect([fixture.notices.size, fixture.log.lines.at(-1)]).toEqual([0, "administration data can be written again"]);
  append(book, "x");
  expect(targets(book)).toEqual(["x"]);
});

test("a hub of version 0.2.0 refuses this version's book, and leaves it as it is", () => {
  open().write((writer) => fillBook(writer, now));
  fixture.books.pop()?.close();
  const before = readFileSync(path());
  // Its schema had one step.
  const old = { ...bookSchema, newest: 1, steps: bookSchema.steps.slice(0, 1) };
  expect(() => openDatabase(path(), old)).toThrow(
    expect.objectContaining({ code: "data_newer", message: expect.stringMatching(/run that version/) }),
  );
  expect([readdirSync(folder), readFileSync(path()).equals(before)]).toEqual([["gohm.db"], true]);
});

test("accounts, sessions, links, tokens, hosts and machines are in each copy, and outlive a kill", async () => {
  const book = open();
  book.write((writer) => fillBook(writer, now));
  const content = contentOf(book, now);
  expect(Object.values(content).filter((one) => one === undefined || (Array.isArray(one) && one.length === 0))).toEqual(
    [],
  );
  const [live, killed, still] = ["live", "killed", "still"].map((name) => join(folder, name));
  for (const one of [live, killed, still]) mkdirSync(one ?? "");
  await book.backup(join(live ?? "", "gohm.db"));
  for (const name of ["gohm.db", "gohm.db-wal"])
    writeFileSync(join(killed ?? "", name), readFileSync(join(folder, name)));
  book.close();
  const copied = { folder, path: join(still ?? "", "gohm.db"), clock: systemClock, log: silent };
  expect(await bookCopies.copy(copied)).toBe(true);
  for (const one of [folder, live, killed, still]) {
    const copy = fixture.open(one ?? "");
    expect(contentOf(copy, now), one).toEqual(content);
    copy.close();
  }
});

test("a machine whose token was reset is not known by it any more, and keeps its record; its next token is", () => {
  const book = open();
  book.write((writer) => fillBook(writer, now));
  const { id = 0, ...node } = book.nodeOf(sha256("node")) ?? {};
  book.write((writer) => writer.changeNode(id, { token: undefined, reset: true, state: "approved" }));
  expect(book.nodeOf(sha256("node"))).toBeUndefined();
  expect(book.node("gpu2")).toEqual({ ...node, id, reset: true, state: "approved" });
  book.write((writer) => writer.changeNode(id, { token: sha256("next"), reset: false }));
  expect([book.nodeOf(sha256("node")), book.nodeOf(sha256("next"))?.id]).toEqual([undefined, id]);
  // Whatever else changes, the token stays.
  book.write((writer) => writer.changeNode(id, { used: now }));
  expect(book.nodeOf(sha256("next"))?.used).toBe(now);
});

test("a token that is revoked is refused at once, an account takes its sessions and links along", () => {
  const book = open();
  book.write((writer) => fillBook(writer, now));
  book.write((writer) => {
    const { id = 0 } = writer.account("ALICE") ?? {};
    writer.addLink(sha256("second"), { name: "Alice", role: "viewer", created: now, expires: now + 1 });
    writer.removeAccount(id);
    for (const token of writer.tokens()) writer.removeToken(token.id);
  });
  const found = ["session", "second", "token"].map((secret) => [
    book.session(sha256(secret)),
    book.link(sha256(secret)),
    book.token(sha256(secret)),
  ]);
  expect(found.flat()).toEqual(Array.from({ length: 9 }));
  expect(book.link(sha256("link"))?.name).toBe("bob");
});

test("a copy of the book in use holds what was written until then, and no file is written over", async () => {
  const book = open();
  append(book, "copied");
  const copy = join(folder, "copy.db");
  await book.backup(copy);
  append(book, "later");
  await expect(book.backup(copy)).rejects.toMatchObject({ code: "backup_failed" });
  const file = new Sqlite(copy, { readonly: true });
  expect(file.prepare("SELECT target FROM audit").pluck().all()).toEqual(["copied"]);
  file.close();
});

test.each<[string, () => void, string[]]>([
  ["deleted", () => rmSync(path()), ["gohm.db", "gohm.db-wal"]],
  [
    "deleted with its log",
    () => {
      rmSync(path());
      rmSync(`${path()}-wal`);
    },
    ["gohm.db", "gohm.db-wal"],
  ],
  [
    "replaced",
    () => {
      writeFileSync(`${path()}.other`, "another file");
      renameSync(`${path()}.other`, path());
    },
    ["gohm.db", "gohm.db-wal", "gohm.db.replaced-1"],
  ],
])("a file that is %s while the book is open is written again, whole, before anything else is", (_, change, names) => {
  const book = open();
  append(book, "before");
  book.close();
  const again = open();
  append(again, "in the log");
  change();
  // By itself, within the time of a look.
  fixture.runTimers();
  expect(readdirSync(folder).filter((name) => name !== "gohm.db-wal")).toEqual(
    names.filter((name) => name !== "gohm.db-wal"),
  );
  expect(fixture.notices.get("book file")).toMatch(
    /was (deleted|replaced) while the hub ran; it was written there again/,
  );
  change();
  append(again, "after");
  expect(targets(again)).toEqual(["after", "in the log", "before"]);
  change();
  again.close();
  expect(targets(open())).toEqual(["after", "in the log", "before"]);
});

test("a file that is emptied while the book is open is moved aside, and what is written then is kept", () => {
  append(open(), "before");
  fixture.books.pop()?.close();
  const again = open();
  truncateSync(path());
  fixture.runTimers();
  expect(readdirSync(folder)).toEqual(
    expect.arrayContaining(["gohm.db", expect.stringMatching(/replaced-1|damaged-1/)]),
  );
  expect([...fixture.notices.keys()]).toEqual([expect.stringMatching(/^book (file|damaged)$/)]);
  append(again, "after");
  again.close();
  expect(targets(open())[0]).toBe("after");
});

test("damage that shows only while the hub runs costs the file, not the hub", () => {
  const book = open();
  // More than the 16 MB that SQLite keeps in memory.
  book.write((writer) => {
    for (let i = 0; i < 1000; i++) writer.appendAudit(entry(`t${i} ${"x".repeat(25_000)}`));
  });
  book.close();
  const again = open();
  const bytes = readFileSync(path());
  writeFileSync(path(), Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0x55)]));
  expect(() => again.audit({ limit: 1000 })).toThrow(expect.objectContaining({ code: "book_unusable" }));
  expect(fixture.notices.get("book damaged")).toMatch(/is damaged .* moved to \S*gohm\.db\.damaged-1/);
  expect(fixture.log.lines).toEqual([fixture.notices.get("book damaged")]);
  append(again, "new");
  expect(targets(again)).toEqual(["new"]);
});
