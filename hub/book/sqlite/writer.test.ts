import { isDeepStrictEqual } from "node:util";
import Sqlite from "better-sqlite3";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sha256 } from "../../../test/book.ts";
import { BookModel } from "../../../test/book-model.ts";
import { cases } from "../../../test/cases.ts";
import { earliest } from "../../clock.ts";
import { Fault } from "../../fault.ts";
import { type BookReader, type BookWriter, type Credentials, everything, roles, scopes, signInWays } from "../book.ts";
import { bookSchema } from "./schema.ts";
import { writerOf } from "./writer.ts";

const hour = 3_600_000;
const day = 24 * hour;
const start = 1_800_000_000_000;

const onDamage = (fault: Fault): never => {
  throw fault;
};

/** A book without a disk. */
function inMemory(onChange = () => {}): { file: Sqlite.Database; book: BookWriter } {
  const file = new Sqlite(":memory:");
  file.pragma("foreign_keys = ON");
  for (const step of bookSchema.steps) file.exec(step);
  return { file, book: writerOf(file, { onChange, onDamage }) };
}

/** A call of a method of the book. */
interface Call {
  readonly method: keyof BookWriter;
  readonly args: readonly unknown[];
}

/** Names, of which some are one account, and a few that cannot be stored. */
const names = ["alice", "ALICE", "Ａｌｉｃｅ", "ﬁona", "Fiona", "Łukasz", "łukasz", "张伟", "constructor", "%_'\"; --"];
const bad = ["", "\ud800", "x".repeat(1025), "é".repeat(513)];
const name = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(...names) },
  { weight: 1, arbitrary: fc.constantFrom(...bad) },
);
const hosts = ["gpu1", "GPU1", "gpu2", "gpu3", "x".repeat(1024)];
const host = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(...hosts) },
  { weight: 1, arbitrary: fc.constantFrom(...bad) },
);
const secrets = ["a", "b", "c", "d", "e", "f"].map(sha256);
const secret = fc.constantFrom(...secrets);
const id = fc.integer({ min: 1, max: 4 });
/** Times of a clock that jumps: 1970, today, within the day before, ahead by weeks and by centuries. */
const times = [
  0,
  1000,
  earliest,
  start - 2 * day,
  start - day,
  start,
  start + hour,
  start + 30 * day,
  16_725_225_600_000,
];
const time = fc.constantFrom(...times);
const text = fc.oneof(
  { weight: 30, arbitrary: fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }) },
  { weight: 1, arbitrary: fc.constantFrom(...bad) },
);
const orNone = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary);
const some = { requiredKeys: [] as [] };

const config = fc.record({
  gpuIndices: orNull(fc.array(fc.nat(), { maxLength: 3 })),
  diskMounts: orNull(fc.array(fc.string({ unit: "binary" }), { maxLength: 3 })),
  nicNames: orNull(fc.array(fc.string(), { maxLength: 3 })),
  reportIntervalSec: orNull(fc.integer({ min: 1, max: 3600 })),
});
const labels = fc.dictionary(fc.string({ minLength: 1 }), fc.string(), { maxKeys: 3, noNullPrototype: true });
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const capabilities = fc.record(
  {
    cpuCores: fc.nat(),
    memoryTotalGB: number,
    gpus: fc.array(
      fc.record({ index: fc.nat(), name: fc.string(), memoryTotalMB: fc.nat() }, { requiredKeys: ["index", "name"] }),
      { maxLength: 2 },
    ),
    disks: fc.array(fc.record({ mount: fc.string(), totalGB: number }, { requiredKeys: ["mount"] }), { maxLength: 2 }),
    nics: fc.array(fc.record({ name: fc.string(), ipv4: fc.string() }), { maxLength: 2 }),
  },
  { requiredKeys: ["gpus", "disks", "nics"] },
);
const state = fc.constantFrom("waiting" as const, "approved" as const);
const entry = fc.record({
  time,
  actor: fc.constantFrom("administrator alice", "owner"),
  origin: fc.constant("control"),
  action: fc.constantFrom("account.create", "account.delete", "accounts", "node.approve", "account"),
  target: fc.constantFrom("alice", "gpu1"),
  details: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.nat(), fc.boolean(), fc.constant(null)), {
    maxKeys: 3,
    noNullPrototype: true,
  }),
  result: fc.constantFrom("done" as const, "refused" as const),
});

const external = fc.record({ issuer: text, subject: fc.constantFrom("7", "8") });
const session = fc.record(
  { created: time, used: time, expires: time, origin: text, way: fc.constantFrom(...signInWays), agent: fc.string() },
  { requiredKeys: ["created", "used", "expires", "origin"] },
);
/** The number of a session. */
const listed = secret.map((hash) => Buffer.from(hash).subarray(0, 8).toString("hex"));

const methods: { readonly [K in keyof BookWriter]?: fc.Arbitrary<Parameters<BookWriter[K]>> } = {
  appendAudit: fc.tuple(entry),
  addAccount: fc.tuple(
    fc.record(
      { name, role: fc.constantFrom(...roles), created: time, external },
      { requiredKeys: ["name", "role", "created"] },
    ),
    orNone(text),
  ),
  changeAccount: fc.tuple(
    id,
    fc.record({ name, role: fc.constantFrom(...roles), password: orNone(text), used: time }, some),
  ),
  removeAccount: fc.tuple(id),
  addSession: fc.tuple(secret, session, id),
  useSession: fc.tuple(secret, time, time),
  removeSession: fc.tuple(secret),
  removeListedSession: fc.tuple(id, fc.oneof(listed, fc.string())),
  removeSessions: fc.tuple(id),
  addLink: fc.tuple(secret, fc.record({ name, role: fc.constantFrom(...roles), created: time, expires: time })),
  removeLink: fc.tuple(secret),
  removeLinks: fc.tuple(name),
  addToken: fc.tuple(
    secret,
    fc.record({ name, scope: fc.constantFrom(...scopes), created: time, creator: text, expires: orNone(time) }),
  ),
  useToken: fc.tuple(id, time),
  removeToken: fc.tuple(id),
  changeHost: fc.tuple(
    host,
    fc.record(
      { shown: orNone(host), group: orNone(text), labels, config, address: orNone(text), parted: fc.boolean() },
      some,
    ),
  ),
  removeHost: fc.tuple(host),
  addNode: fc.tuple(fc.record({ hostname: host, host, state, registered: time, origin: text, capabilities }), secret),
  changeNode: fc.tuple(
    id,
    fc.record(
      {
        host,
        state,
        reset: fc.boolean(),
        registered: time,
        origin: text,
        capabilities,
        used: orNone(time),
        usedFrom: orNone(text),
        taken: orNone(fc.record({ version: fc.nat(), time })),
        token: orNone(secret),
      },
      some,
    ),
  ),
  removeNode: fc.tuple(id),
  expire: fc.tuple(time),
};
const call: fc.Arbitrary<Call> = fc.oneof(
  ...Object.entries(methods).map(([method, args]) =>
    fc.record({ method: fc.constant(method as keyof BookWriter), args: args as fc.Arbitrary<unknown[]> }),
  ),
);

/** Everything that a book answers. */
const contentOf = (book: BookReader & Credentials): unknown => ({
  audit: [{}, { actor: "owner" }, { action: "account" }, { action: "account.create", target: "gpu1" }].map((filter) =>
    book.audit({ limit: 100, ...filter }),
  ),
  older: book.audit({ limit: 2, before: 3 }),
  accounts: book.accounts(),
  named: names.map((one) => [book.account(one), book.passwordOf(one)]),
  sessions: [1, 2, 3].flatMap((account) => times.map((now) => book.sessions(account, now))),
  tokens: book.tokens(),
  hosts: book.hosts(),
  host: hosts.map((one) => book.host(one)),
  nodes: book.nodes(),
  node: hosts.map((one) => book.node(one)),
  secrets: secrets.map((one) => [book.session(one), book.link(one), book.token(one), book.nodeOf(one)]),
});

/** Answers of calls, or why one was refused. */
function outcome(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error instanceof Fault ? error.code : "another error";
  }
}

const make = (book: BookWriter, calls: readonly Call[]): unknown[] =>
  calls.map(({ method, args }) => Reflect.apply(book[method] as (...args: unknown[]) => unknown, book, args));

test("whatever is written, in whatever order, the book answers as plain lists do, and a refused transaction leaves nothing", () => {
  const transactions = fc.array(fc.array(call, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 6 });
  let changed = false;
  const { file, book } = inMemory(() => {
    changed = true;
  });
  fc.assert(
    fc.property(transactions, (all) => {
      // One file for all runs: what a run has written is taken back.
      file.exec("BEGIN");
      try {
        const model = new BookModel();
        for (const calls of all) {
          changed = false;
          model.changed = false;
          const found = outcome(() => file.transaction(() => make(book, calls))());
          const wanted = outcome(() => model.write((writer) => make(writer, calls)));
          if (!isDeepStrictEqual(found, wanted)) expect(found).toEqual(wanted);
          if (Array.isArray(found)) expect(changed).toBe(model.changed);
        }
        const [mine, listed] = [contentOf(book), contentOf(model)];
        // The comparison that explains a difference is slow.
        if (!isDeepStrictEqual(mine, listed)) expect(mine).toEqual(listed);
      } finally {
        file.exec("ROLLBACK");
      }
    }),
    cases,
  );
  file.close();
});

test("only lists and links are read row by row: the number of rows slows nothing else", () => {
  const { file } = inMemory();
  const prepared: string[] = [];
  const watched = {
    prepare(sql: string) {
      prepared.push(sql);
      return file.prepare(sql);
    },
  };
  const book = writerOf(watched as unknown as Sqlite.Database, { onChange: () => {}, onDamage });
  for (const filter of [{ actor: "a" }, { action: "a" }, { action: "a.b" }, { target: "a" }]) {
    book.audit({ limit: 1, ...filter });
  }
  const plan = (sql: string): string => {
    const names = [...sql.matchAll(/@(\w+)/g)].map(([, one]) => [one, null]);
    const places = sql.split("?").length - 1;
    const args = names.length > 0 ? [Object.fromEntries(names)] : Array.from({ length: places }, () => null);
    const steps = file.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...args) as { detail: string }[];
    return steps.map(({ detail }) => detail).join("; ");
  };
  const scans = prepared.filter((sql) => /\bSCAN\b|TEMP B-TREE/.test(plan(sql)));
  expect(prepared.length).toBeGreaterThan(40);
  expect(scans.map((sql) => /FROM .*/.exec(sql)?.[0])).toEqual([
    // Imports that are running: few.
    "FROM draft ORDER BY time",
    // As many entries of an index as are kept, however many there are.
    "FROM audit WHERE result = 'refused' ORDER BY time DESC, id DESC LIMIT 1 OFFSET @kept",
    "FROM account ORDER BY key",
    // Found by its index, then sorted: the list of one account's sessions.
    "FROM session",
    // Administrators make few links.
    "FROM link WHERE expires <= ?",
    "FROM link WHERE created > ?",
    "FROM token ORDER BY id",
    "FROM host ORDER BY name",
    "FROM node ORDER BY hostname",
  ]);
  const filters = prepared.filter((sql) => sql.includes("FROM audit WHERE id < @before AND"));
  expect(filters.map((sql) => /USING INDEX (\w+)/.exec(plan(sql))?.[1])).toEqual([
    "audit_actor",
    "audit_kind",
    "audit_action",
    "audit_target",
  ]);
  file.close();
});

test("of two administrators who save a configuration, each makes a version", () => {
  const { file, book } = inMemory();
  const save = (gpuIndices: number[]) => book.changeHost("gpu1", { config: { ...everything, gpuIndices } });
  const versions = [save([0]), save([0]), book.changeHost("gpu1", { group: "a" }), save([1])];
  expect(versions.map(({ configVersion }) => configVersion)).toEqual([1, 2, 2, 3]);
  file.close();
});

test("a machine that registers with the name that is shown for a host does not keep that host from being changed", () => {
  const { file, book } = inMemory();
  book.changeHost("gpu1", { shown: "gpu2" });
  const capabilities = { gpus: [], disks: [], nics: [] };
  const node = { hostname: "gpu2", host: "gpu2", state: "waiting", registered: start, origin: "127.0.0.1" } as const;
  book.addNode({ ...node, capabilities }, sha256("a"));
  expect(book.changeHost("gpu1", { group: "a" })).toMatchObject({ shown: "gpu2", group: "a" });
  expect(() => book.changeHost("gpu3", { shown: "gpu2" })).toThrow(expect.objectContaining({ code: "name_taken" }));
  file.close();
});
