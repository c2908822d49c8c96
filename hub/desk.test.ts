import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listening } from "../test/store.ts";
import type { AuditEntry, Book, NumberedEntry } from "./book/book.ts";
import { openBook } from "./book/sqlite.ts";
import { type Action, type ActionName, Desk, type Details, type Effect } from "./desk.ts";
import { silent } from "./log.ts";
import type { Actor } from "./who.ts";

let folder = "";
let now = 1_700_000_000_000;
/** Work that the desk does later, with its delay. */
let timers: { readonly ms: number; readonly run: () => void }[] = [];
let log = listening();
let book: Book;
let desk: Desk;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-desk-"));
  now = 1_700_000_000_000;
  log = listening();
  timers = [];
  book = openBook({ folder, clock: { now: () => now, after: () => () => {} }, log: silent, notice: () => {} });
  const after = (ms: number, run: () => void) => {
    timers.push({ ms, run });
    return () => {
      timers = timers.filter((timer) => timer.run !== run);
    };
  };
  desk = new Desk({ book, clock: { now: () => now, after }, log });
});

afterEach(() => {
  book.close();
  rmSync(folder, { recursive: true });
});

const administrator: Actor = { kind: "administrator", name: "alice", origin: "10.0.0.7" };
const viewer: Actor = { kind: "viewer", name: "bob", origin: "10.0.0.8" };

/** Stands for a row of a table that is still to come. */
const row: AuditEntry = {
  time: 1,
  actor: "row",
  origin: "",
  action: "row",
  target: "",
  details: {},
  result: "done",
};
/** Not one of the hub. */
const name = "test.write" as string as ActionName;
const action = (more: Partial<Action<unknown>> = {}): Action<unknown> => ({
  name,
  needs: "admin",
  target: "gpu1",
  write: (writer) => writer.appendAudit(row),
  ...more,
});
const entries = (): readonly NumberedEntry[] => book.audit({ limit: 1000 });
const actors = (): string[] => entries().map(({ actor }) => actor);

test("a change and its entry are written together, and the change's answer is given", () => {
  const answer = desk.do(administrator, action({ details: { from: "a", shown: "b" } }));
  expect(answer).toBe(1);
  expect(entries()).toEqual([
    {
      id: 2,
      time: now,
      actor: "administrator alice",
      origin: "10.0.0.7",
      action: "test.write",
      target: "gpu1",
      details: { from: "a", shown: "b" },
      result: "done",
    },
    { id: 1, ...row },
  ]);
});

test("what only the hub's own user may do is refused to an administrator, and that user may do everything", () => {
  expect(() => desk.do(administrator, action({ needs: "owner" }))).toThrow(
    /requires the right "owner".*"administrator"/,
  );
  desk.do({ kind: "owner", origin: "control" }, action({ needs: "owner" }));
  desk.do({ kind: "owner", origin: "control" }, action());
  expect(entries().map(({ actor, result }) => `${actor} ${result}`)).toEqual([
    "owner done",
    "row done",
    "owner done",
    "row done",
    "administrator alice refused",
  ]);
});

test("a change that fails leaves neither itself nor an entry", () => {
  const failing = action({
    write(writer) {
      writer.appendAudit(row);
      throw new Error("on purpose");
    },
  });
  expect(() => desk.do(administrator, failing)).toThrow("on purpose");
  expect(entries()).toEqual([]);
});

test("an entry that cannot be written costs the change", () => {
  const time = now;
  now = Number.NaN;
  expect(() => desk.do(administrator, action())).toThrow();
  now = time;
  expect(entries()).toEqual([]);
});

test.each<[Actor, string, string?]>([
  [viewer, "viewer bob"],
  [{ kind: "node", name: "gpu1", origin: "10.0.0.9" }, "node gpu1"],
  [{ kind: "anonymous", origin: "10.0.0.10" }, "anonymous", "sign_in_needed"],
])("without the right nothing runs, and the attempt of %j is recorded", (who, actor, code = "access_denied") => {
  let ran = false;
  const refused = action({
    write() {
      ran = true;
    },
  });
  expect(() => desk.do(who, refused)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(/^The action "test\.write" requires /) }),
  );
  expect(ran).toBe(false);
  expect(entries()).toEqual([
    {
      id: 1,
      time: now,
      actor,
      origin: who.origin,
      action: "test.write",
      target: "gpu1",
      details: {},
      result: "refused",
    },
  ]);
});

test("any number of refused attempts leaves few entries, of each actor, and tells how many more there were", () => {
  const attempt = (who: Actor): void => expect(() => desk.do(who, action())).toThrow(/requires the right/);
  for (let i = 0; i < 500; i++) attempt(viewer);
  attempt({ ...viewer, name: "carol" });
  expect(entries()).toHaveLength(11);
  now += 60_000;
  attempt(viewer);
  expect(entries()[0]).toMatchObject({ actor: "viewer bob", details: { unrecorded: 490 } });
  attempt(viewer);
  expect(entries()[0]).toMatchObject({ details: {} });
  desk.do(administrator, action());
  expect(actors()[0]).toBe("administrator alice");
});

test("a refusal that cannot be recorded is a refusal", () => {
  book.close();
  expect(() => desk.do(viewer, action())).toThrow(expect.objectContaining({ code: "access_denied" }));
  expect(log.lines).toEqual([expect.stringMatching(/a refusal of test\.write to viewer bob was not recorded: .*/)]);
  expect(() => desk.do(administrator, action())).toThrow(expect.objectContaining({ code: "book_unusable" }));
});

const text = fc.oneof(fc.string({ unit: "binary", maxLength: 2000 }), fc.string({ unit: "grapheme" }));
const details = fc.dictionary(text, fc.oneof(text, fc.double(), fc.boolean(), fc.constant(null)), { maxKeys: 60 });

test("no text of an actor, a target or a detail is longer than 256 bytes or hides characters, whatever is given", () => {
  const clean = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]*$/u;
  const fits = (value: string): boolean => clean.test(value) && Buffer.byteLength(value) <= 256;
  fc.assert(
    fc.property(text, text, text, details, (name, origin, target, given) => {
      desk.do({ kind: "administrator", name, origin }, action({ target, details: given as Details, write: () => {} }));
      const [entry] = book.audit({ limit: 1 });
      const found = entry?.details ?? {};
      const texts = [entry?.actor, entry?.origin, entry?.target, ...Object.keys(found), ...Object.values(found)];
      expect(texts.filter((value) => typeof value === "string" && !fits(value))).toEqual([]);
      expect(Object.keys(found).length).toBeLessThanOrEqual(33);
    }),
    { numRuns: 100 },
  );
});

test("of many details the first 32 are recorded, and how many are not", () => {
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`d${i}`, i]));
  desk.do(administrator, action({ details: many as Details }));
  const { details } = entries()[0] ?? {};
  expect([Object.keys(details ?? {}).length, details?.d31, details?.d32, details?.omitted]).toEqual([
    33,
    31,
    undefined,
    68,
  ]);
});

test("a text that turns the writing direction or ends a line is cleaned", () => {
  desk.do(
    administrator,
    action({ target: "\u202Etoor\n2026 error", details: { "a\u200B": "b\u0000c", much: Infinity } as Details }),
  );
  expect(entries()[0]).toMatchObject({ target: "toor2026 error", details: { a: "bc", much: null } });
});

test("uses are written in one transaction, at once the first time and a minute apart after that, without an audit entry", () => {
  const written: string[] = [];
  let transactions = 0;
  const write = book.write.bind(book);
  book.write = (change) => {
    transactions++;
    return write(change);
  };
  const use = (of: string): void =>
    desk.note({ of, write: () => void written.push(`${of} ${now - 1_700_000_000_000}`) });
  const flush = (): void => {
    for (const { run } of timers.splice(0)) run();
  };
  use("session a");
  expect(timers.map(({ ms }) => ms)).toEqual([0]);
  flush();
  for (let i = 0; i < 10; i++) {
    now += 1000;
    use("session a");
    use("token 1");
  }
  expect(timers.map(({ ms }) => ms)).toEqual([59_000]);
  flush();
  expect([transactions, written]).toEqual([2, ["session a 0", "session a 10000", "token 1 10000"]]);
  // The clock was set back by a year.
  now -= 31_536_000_000;
  use("token 1");
  expect(timers.map(({ ms }) => ms)).toEqual([60_000]);
  expect(entries()).toEqual([]);
});

test("uses that wait are written when the hub stops, and those that cannot be written cost nothing", () => {
  let written = 0;
  const use = { of: "token 1", write: () => void written++ };
  desk.note(use);
  desk.close();
  expect([written, timers]).toEqual([1, []]);
  desk.close();
  expect(written).toBe(1);
  desk.note({
    of: "token 2",
    write: () => {
      throw new Error("on purpose");
    },
  });
  desk.close();
  expect(log.lines).toEqual([expect.stringMatching(/uses of credentials were not recorded: Error: on purpose/)]);
  book.close();
  desk.note(use);
  desk.close();
  expect([written, log.lines.length]).toEqual([1, 1]);
});

test("a refusal for another reason than a right is recorded like one", () => {
  for (let i = 0; i < 100; i++)
    desk.refused({ kind: "anonymous", origin: "10.0.0.10" }, { name: "session.create", target: "" });
  expect(entries()).toHaveLength(10);
  expect(entries()[0]).toMatchObject({ actor: "anonymous", action: "session.create", result: "refused" });
});

test("an API token is another actor than an account of its name", () => {
  desk.do({ ...administrator, credential: "token" }, action({ write: () => {} }));
  desk.do({ ...administrator, credential: "session" }, action({ write: () => {} }));
  expect(actors()).toEqual(["administrator alice", "token alice"]);
});

test("what belongs to an action outside the book is made last, and undone unless the action is committed", () => {
  const steps: string[] = [];
  const effect = (more: Partial<Effect> = {}): Effect => ({
    make: (entry) => void steps.push(`make ${entry}: ${entries().length} entries`),
    undo: () => void steps.push("undo"),
    keep: () => void steps.push(`keep: ${entries().length} entries`),
    ...more,
  });
  desk.do(administrator, action({ effect: effect() }));
  const failing = effect({
    make: () => {
      throw new Error("read-only");
    },
  });
  expect(() => desk.do(administrator, action({ effect: failing }))).toThrow("read-only");
  expect(() => desk.do(viewer, action({ effect: effect() }))).toThrow();
  // The row of the action and its entry are written, but not committed, when the effect is made.
  expect(steps).toEqual(["make 2: 2 entries", "keep: 2 entries", "undo"]);
  expect(actors()).toEqual(["viewer bob", "administrator alice", "row"]);
});
