import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BookFixture } from "../test/book.ts";
import type { Book } from "./book/book.ts";
import { Desk } from "./desk.ts";
import { FirstAdministrator } from "./first.ts";
import { silent } from "./log.ts";
import { hashOf } from "./secret.ts";

const now = 1_800_000_000_000;
const clock = { now: () => now, after: () => () => {} };

let folder = "";
let fixture: BookFixture;
let book: Book;
let first: FirstAdministrator;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-first-"));
  fixture = new BookFixture();
  book = fixture.open(folder);
  first = new FirstAdministrator({ book, clock, desk: new Desk({ book, clock, log: silent }) });
});

afterEach(() => {
  fixture.close();
  rmSync(folder, { recursive: true });
});

const add = (name: string, role: "administrator" | "viewer"): unknown =>
  book.write((writer) => writer.addAccount({ name, role, created: now }, undefined));
const linkOf = (path = "") => book.link(hashOf(path.replace("#/link/", "")));

test("a hub without an administrator has a link for one, in a fragment, of which the last one made is valid", () => {
  expect(first.isMissing()).toBe(true);
  const [one, other] = [first.link(), first.link()];
  expect(other).toMatch(/^#\/link\/[A-Za-z0-9_-]{43}$/);
  expect(linkOf(one)).toBeUndefined();
  expect(linkOf(other)).toEqual({ name: "admin", role: "administrator", created: now, expires: now + 86_400_000 });
  expect(book.audit({ limit: 1 })[0]).toMatchObject({ actor: "owner", action: "link.create", target: "admin" });
  expect(JSON.stringify(book.audit({ limit: 10 }))).not.toContain(other?.slice(7));
});

test("a viewer called admin does not become an administrator by it, and an administrator of any name is one", () => {
  add("Admin", "viewer");
  expect(first.isMissing()).toBe(true);
  expect(linkOf(first.link())).toMatchObject({ name: "admin2" });
  add("alice", "administrator");
  expect(first.isMissing()).toBe(false);
});

test("a book that cannot be used offers nothing", () => {
  book.close();
  expect([first.isMissing(), first.link()]).toEqual([false, undefined]);
});
