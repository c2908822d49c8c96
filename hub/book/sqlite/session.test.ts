import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BookFixture, sha256 } from "../../../test/book.ts";
import type { Book } from "../book.ts";

const hour = 3_600_000;
const day = 24 * hour;
const now = 1_800_000_000_000;
const year2500 = 16_725_225_600_000;
let folder = "";
let fixture: BookFixture;
let book: Book;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-session-"));
  fixture = new BookFixture();
  book = fixture.open(folder);
  book.write((writer) => writer.addAccount({ name: "alice", role: "viewer", created: now }, undefined));
});

afterEach(() => {
  fixture.close();
  rmSync(folder, { recursive: true });
});

/** Signs in, and makes a link, at a time of the clock; both end 30 days later. */
function signIn(secret: string, at: number): void {
  book.write((writer) => {
    const expires = at + 30 * day;
    writer.addSession(sha256(secret), { created: at, used: at, expires, origin: "127.0.0.1" }, 1);
    writer.addLink(sha256(secret), { name: "bob", role: "viewer", created: at, expires });
  });
}
const expire = (at: number): void => book.write((writer) => writer.expire(at));
const secrets = ["today", "1970", "2500"];
/** Of each secret, whether its session and its link are there. */
const found = (): boolean[] =>
  secrets
    .flatMap((secret) => [book.session(sha256(secret)), book.link(sha256(secret))])
    .map((one) => one !== undefined);

test("a clock that jumps ends what it has to, once, and nothing that is still valid", () => {
  signIn("today", now);
  signIn("1970", hour);
  signIn("2500", year2500);
  // As before the time is set at the start of a machine without a battery for its clock.
  expire(2 * hour);
  expect(found()).toEqual([true, true, true, true, true, true]);
  expire(now);
  expect(found()).toEqual([true, true, false, false, false, false]);
  for (const at of [now - hour, now + 29 * day, now - day, now + 30 * day - 1]) expire(at);
  expect(found()).toEqual([true, true, false, false, false, false]);
  expire(now + 30 * day);
  expire(now);
  expect(found()).toEqual([false, false, false, false, false, false]);
});

test("a clock that was ahead for an hour costs the sessions that ended until then, and no account", () => {
  signIn("today", now);
  expire(year2500);
  expire(now);
  expect([found().includes(true), book.accounts().length]).toEqual([false, 1]);
  signIn("today", now);
  expect(found().slice(0, 2)).toEqual([true, true]);
});

test("use moves the end of a session, and only that of its own", () => {
  signIn("today", now);
  signIn("2500", now);
  book.write((writer) => writer.useSession(sha256("today"), now + day, now + 31 * day));
  expect(book.session(sha256("today"))).toMatchObject({ created: now, used: now + day, expires: now + 31 * day });
  expire(now + 30 * day);
  expect(found()).toEqual([true, false, false, false, false, false]);
  expect([book.sessions(1, now + 30 * day), book.sessions(1, now + 31 * day), book.sessions(2, now)]).toEqual([
    1, 0, 0,
  ]);
});

test("a person who signs out everywhere is signed out of every session, and nobody else is", () => {
  book.write((writer) => {
    const { id } = writer.addAccount({ name: "bob", role: "viewer", created: now }, undefined);
    const session = { created: now, used: now, expires: now + day, origin: "127.0.0.1" };
    for (let i = 0; i < 100; i++) writer.addSession(sha256(`${i}`), session, 1 + (i % 2));
    expect([id, writer.removeSessions(1), writer.removeSessions(1)]).toEqual([2, 50, 0]);
  });
  expect([book.sessions(1, now), book.sessions(2, now)]).toEqual([0, 50]);
});

test("an account that was removed while its password was checked gets no session", () => {
  book.write((writer) => writer.removeAccount(1));
  book.write((writer) =>
    writer.addSession(sha256("late"), { created: now, used: now, expires: now + day, origin: "127.0.0.1" }, 1),
  );
  // Its number is not given again.
  book.write((writer) => writer.addAccount({ name: "alice", role: "administrator", created: now }, undefined));
  expect([book.session(sha256("late")), book.account("alice")?.id]).toEqual([undefined, 2]);
});
