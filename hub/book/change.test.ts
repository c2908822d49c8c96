import { mkdirSync, mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BookFixture, fillBook } from "../../test/book.ts";
import type { AuditEntry, Book } from "./book.ts";

const now = 1_800_000_000_000;
let folder = "";
let fixture: BookFixture;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-change-"));
  fixture = new BookFixture();
});

afterEach(() => {
  fixture.close();
  rmSync(folder, { recursive: true });
});

const open = (): Book => fixture.open(folder);
const entry: AuditEntry = {
  time: now,
  actor: "owner",
  origin: "control",
  action: "test.write",
  target: "gpu1",
  details: {},
  result: "done",
};

test("listeners hear of hosts and machines, once for each transaction that was written, and of nothing else", () => {
  const book = open();
  let calls = 0;
  const stop = book.onChange(() => calls++);
  const heard = (change: Parameters<Book["write"]>[0]): number => {
    calls = 0;
    book.write(change);
    return calls;
  };
  const filledCalls = heard((writer) => fillBook(writer, now));
  const { id = 0 } = book.node("gpu2") ?? {};
  expect([
    filledCalls,
    heard((writer) => writer.changeHost("gpu1", { group: "a" })),
    heard((writer) => writer.changeNode(id, { state: "approved" })),
    heard((writer) => writer.changeNode(id, { token: undefined, reset: true })),
    heard((writer) => writer.changeNode(id, { used: now, usedFrom: "127.0.0.1", taken: { version: 1, time: now } })),
    heard((writer) => writer.removeHost("unknown")),
    heard((writer) => writer.removeNode(99)),
    heard((writer) => writer.appendAudit(entry)),
    heard((writer) => writer.removeNode(id)),
  ]).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 1]);
  calls = 0;
  expect(() =>
    book.write((writer) => {
      writer.changeHost("gpu1", { group: "b" });
      throw new Error("on purpose");
    }),
  ).toThrow("on purpose");
  expect(calls).toBe(0);
  stop();
  expect(heard((writer) => writer.removeHost("gpu1"))).toBe(0);
});

test("what a listener throws costs neither the change nor the other listeners", () => {
  const book = open();
  const groups: (string | undefined)[] = [];
  book.onChange(() => {
    throw new Error("on purpose");
  });
  book.onChange(() => groups.push(book.host("gpu1")?.group));
  book.write((writer) => writer.changeHost("gpu1", { group: "a" }));
  expect([groups, book.host("gpu1")?.group]).toEqual([["a"], "a"]);
  expect(fixture.log.lines).toEqual([expect.stringMatching(/written but is not in effect: on purpose/)]);
});

test("listeners hear of a new file that was begun, and of one that can be used again", () => {
  rmSync(folder, { recursive: true });
  const book = open();
  const seen: number[] = [];
  book.onChange(() => seen.push(book.hosts().length));
  mkdirSync(folder);
  fixture.runTimers();
  book.write((writer) => writer.changeHost("gpu1", {}));
  truncateSync(join(folder, "gohm.db"));
  truncateSync(join(folder, "gohm.db-wal"));
  fixture.runTimers();
  expect(seen.slice(0, 2)).toEqual([0, 1]);
  expect([seen.length, book.hosts().length]).toEqual([3, seen.at(-1)]);
});
