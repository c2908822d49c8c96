import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { databaseError, definitionsOf } from "./database.ts";
import { checkpoint, type DatabaseSchema, openDatabase } from "./open.ts";

const steps = [
  "CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT",
  "CREATE TABLE token (id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE) STRICT",
  // Rebuilds a table that another one refers to.
  `CREATE TABLE made (id INTEGER PRIMARY KEY, name TEXT NOT NULL, mail TEXT) STRICT;
   INSERT INTO made (id, name) SELECT id, name FROM account;
   DROP TABLE account;
   ALTER TABLE made RENAME TO account`,
];
const schemaOf = (some: readonly string[]): DatabaseSchema => ({
  noun: "test database",
  application: 0x54455354,
  newest: some.length,
  steps: some,
});
const schema = schemaOf(steps);

let folder = "";
const path = (): string => join(folder, "test.db");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-open-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Every file of the folder, to the byte. */
const state = (): unknown =>
  readdirSync(folder).map((name) => [name, hash("sha256", readFileSync(join(folder, name)))]);

test.each([1, 2, 3])("a file of version %i becomes what a new one is, and keeps its rows", (version) => {
  const old = openDatabase(path(), schemaOf(steps.slice(0, version)));
  old.exec("INSERT INTO account (id, name) VALUES (7, 'alice')");
  if (version > 1) old.exec("INSERT INTO token (account) VALUES (7)");
  old.close();
  const file = openDatabase(path(), schema);
  expect(file.pragma("user_version", { simple: true })).toBe(3);
  expect(file.prepare("SELECT id, name, mail FROM account").all()).toEqual([{ id: 7, name: "alice", mail: null }]);
  expect(file.prepare("SELECT count(*) FROM token").pluck().get()).toBe(version > 1 ? 1 : 0);
  const found = definitionsOf(file);
  file.close();
  rmSync(path());
  const fresh = openDatabase(path(), schema);
  expect(found).toBe(definitionsOf(fresh));
  fresh.close();
});

test("each commit is written to the disk before it is confirmed: a power failure, which no test can cause, loses none", () => {
  const file = openDatabase(path(), schema);
  // WAL with FULL (2): https://www.sqlite.org/pragma.html#pragma_synchronous
  expect(["journal_mode", "synchronous"].map((name) => file.pragma(name, { simple: true }))).toEqual(["wal", 2]);
  file.close();
});

test("a step that fails leaves the file in the version before it, with its rows", () => {
  const old = openDatabase(path(), schemaOf(steps.slice(0, 1)));
  old.exec("INSERT INTO account (id, name) VALUES (7, 'alice')");
  old.close();
  const broken = schemaOf([...steps.slice(0, 2), "CREATE TABLE extra (id INTEGER) STRICT; DELETE FROM nowhere"]);
  expect(() => openDatabase(path(), broken)).toThrow(/no such table/);
  const file = openDatabase(path(), schemaOf(steps.slice(0, 2)));
  expect(file.prepare("SELECT name FROM account").pluck().all()).toEqual(["alice"]);
  file.close();
});

test("a step that leaves a reference to nothing is refused", () => {
  const old = openDatabase(path(), schemaOf(steps.slice(0, 2)));
  old.exec("INSERT INTO account (id, name) VALUES (7, 'alice'); INSERT INTO token (account) VALUES (7)");
  old.close();
  expect(() => openDatabase(path(), schemaOf([...steps.slice(0, 2), "DELETE FROM account"]))).toThrow(/foreign key/);
});

test("a row that refers to nothing is refused, and the file is its user's alone whatever the umask", () => {
  const umask = process.umask(0o022);
  const file = openDatabase(path(), schema);
  process.umask(umask);
  expect(() => file.exec("INSERT INTO token (account) VALUES (7)")).toThrow(/FOREIGN KEY/);
  for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600);
  file.close();
});

test("a file of a newer version is refused, and nothing of it is written, its log included", () => {
  const newer = openDatabase(path(), schemaOf([...steps, "CREATE TABLE more (id INTEGER) STRICT"]));
  newer.exec("INSERT INTO more VALUES (1)");
  const copied = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))] as const);
  newer.close();
  for (const [name, bytes] of copied) writeFileSync(join(folder, name), bytes);
  expect(readdirSync(folder)).toEqual(["test.db", "test.db-wal"]);
  // What a process that was killed leaves.
  const before = state();
  expect(() => openDatabase(path(), schema)).toThrow(expect.objectContaining({ code: "data_newer" }));
  expect(state()).toEqual(before);
});

test("a file of another program, or of another kind of ours, is refused and stays as it is", () => {
  const other = new Sqlite(path());
  other.exec("CREATE TABLE t (x); PRAGMA user_version = 99");
  other.close();
  const before = state();
  expect(() => openDatabase(path(), schema)).toThrow(expect.objectContaining({ code: "data_folder_unusable" }));
  expect(state()).toEqual(before);
});

test("a file that another process has open is refused", () => {
  const file = openDatabase(path(), schema);
  expect(() => openDatabase(path(), schema)).toThrow(expect.objectContaining({ code: "data_folder_busy" }));
  file.close();
  openDatabase(path(), schema).close();
});

test.each([
  ["SQLITE_FULL", false],
  ["SQLITE_IOERR_WRITE", false],
  ["SQLITE_IOERR_READ", true],
  ["SQLITE_IOERR_SHORT_READ", true],
  ["SQLITE_IOERR_FSYNC", true],
  ["SQLITE_READONLY", true],
  ["SQLITE_CORRUPT", true],
])("a log that cannot be moved into its file because of %s: an error is thrown, %j", (code, thrown) => {
  const failing = {
    pragma() {
      throw databaseError("on purpose", code);
    },
  };
  if (thrown) expect(() => checkpoint(failing)).toThrow("on purpose");
  else expect(checkpoint(failing)).toBe(false);
});

test("a pipe at the path is refused, and not waited for", () => {
  execFileSync("mkfifo", [path()]);
  expect(() => openDatabase(path(), schema)).toThrow(`${path()} is not a file`);
});
