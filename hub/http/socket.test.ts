import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { backUp } from "../backup.ts";
import { systemClock } from "../clock.ts";
import { Fault } from "../fault.ts";
import type { Log } from "../log.ts";
import { backupRoutes } from "../route/backup.ts";
import { serve } from "../route/handler.ts";
import { call, type Routes } from "../route/route.ts";
import { socket } from "../who.ts";
import { application } from "./application.ts";
import { backup } from "./backup.ts";
import { checkAlone, openSocket, socketPathOf } from "./socket.ts";

let folder = "";
let lines: string[] = [];
let bytes = 1000;
let make: (path: string) => Promise<void>;
let retry = (): void => {};
let retries = 0;
let control: { close(): Promise<void> };

/** Writes into the lines of this test, also when what it tells of ends later. */
function logOf(lines: string[]): Log {
  const say = (line: string): void => {
    lines.push(line);
  };
  return { info: say, warn: say, error: (line) => say(`error: ${line}`) };
}

const plain = { method: "GET", tag: "test", summary: "", answer: {}, refuses: [] } as const;
const routes = { who: { ...plain, path: "/who", needs: "admin" } } as const satisfies Routes;
const others = serve(routes, { who: ({ by }) => Response.json(by) });

function openControl(local = true): Promise<{ close(): Promise<void> }> {
  const log = logOf(lines);
  const sources = {
    history: local ? { backup: (path: string) => make(path), bytes: () => bytes } : undefined,
    book: { backup: async (path: string) => writeFileSync(path, "the book"), bytes: () => 1 },
  };
  const app = application([{ routes: others }, { routes: backup({ data: folder, sources, log }) }], {
    log,
    entry: socket,
  });
  const after = (_ms: number, run: () => void) => {
    retries++;
    retry = run;
    return () => {};
  };
  return openSocket(app, { data: folder, log, clock: { now: () => 0, after } });
}

const { path: backupPath } = call(backupRoutes.backup, {});

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-control-"));
  lines = [];
  bytes = 1000;
  make = async (path) => writeFileSync(path, "a copy");
  mkdirSync(join(folder, "control"), { mode: 0o777 });
  writeFileSync(join(folder, "control", "copy-left"), "by a hub that was killed");
  retries = 0;
  control = await openControl();
});

afterEach(async () => {
  await control.close();
  rmSync(folder, { recursive: true });
});

const room = (): string[] => readdirSync(join(folder, "control"), { recursive: true, encoding: "utf8" });

function ask(path = backupPath, method = "GET"): Promise<IncomingMessage> {
  return new Promise((done, fail) => {
    const asked = request({ socketPath: socketPathOf(folder).path, path, method, agent: false }, done);
    asked.once("error", fail).end();
  });
}

test("only the hub's own user can enter where it takes such requests, and what an earlier hub left there is gone", () => {
  expect(statSync(join(folder, "control")).mode & 0o777).toBe(0o700);
  expect(room()).toEqual(["socket"]);
});

test("a copy is sent with its length, and nothing of it stays in the data folder", async () => {
  const answer = await ask();
  expect([answer.statusCode, answer.headers["content-length"], await text(answer)]).toEqual([200, "6", "a copy"]);
  expect(room()).toEqual(["socket"]);
});

test("each database has a path of its own, and a name that is none of theirs is refused", async () => {
  expect(await text(await ask(`${backupPath}/history`))).toBe("a copy");
  expect(await text(await ask(`${backupPath}/book`))).toBe("the book");
  for (const name of ["", "ledger", "constructor", "../book"]) {
    expect((await ask(`${backupPath}/${name}`)).statusCode).toBe(404);
  }
});

test("a history that another server keeps is no database of this hub: there is nothing to copy, and the rest is copied", async () => {
  await control.close();
  control = await openControl(false);
  const alone = await ask();
  expect([alone.statusCode, await text(alone)]).toEqual([500, expect.stringContaining("is kept by another server")]);
  expect((await ask(`${backupPath}/history`)).statusCode).toBe(204);
  expect((await ask(`${backupPath}/book`)).statusCode).toBe(200);
  // Ends the first copy of the book: a second one is refused while the hub still sends it.
  await control.close();
  control = await openControl(false);
  const path = join(folder, "copy");
  const warnings: string[] = [];
  const copied = await backUp({ data: folder, path: `${path}/`, clock: systemClock, log: logOf(warnings) });
  expect([copied.map(({ path }) => path), readdirSync(path)]).toEqual([[join(path, "gohm.db")], ["gohm.db"]]);
  expect(warnings).toEqual([expect.stringContaining("history")]);
});

test("a copy for which there is no room is refused before it is begun: a full disk would stop history", async () => {
  bytes = 1e18;
  let begun = false;
  make = async () => {
    begun = true;
  };
  const answer = await ask();
  expect([answer.statusCode, begun]).toEqual([500, false]);
  expect(await text(answer)).toMatch(/backup_failed.*1100000\.0 TB in .* are free there/);
});

test("a second copy is refused while one is made, and what keeps history from making one is told", async () => {
  let fail = (_: Error): void => {};
  make = (path) => {
    writeFileSync(path, "half");
    writeFileSync(`${path}-journal`, "half");
    return new Promise((_, reject) => {
      fail = reject;
    });
  };
  const first = ask();
  await vi.waitFor(() => expect(room().length).toBe(4));
  expect(await text(await ask())).toContain("Another backup is under way");
  fail(new Fault("backup_failed", "disk full"));
  expect(await text(await first)).toBe('{"error":{"code":"backup_failed","message":"disk full"}}');
  expect(room()).toEqual(["socket"]);
  make = async (path) => writeFileSync(path, "a copy");
  expect(await text(await ask())).toBe("a copy");
});

test("whoever goes away while a copy is sent costs the hub nothing", async () => {
  make = async (path) => writeFileSync(path, Buffer.alloc(20_000_000));
  const answer = await ask();
  answer.destroy();
  await vi.waitFor(() => expect(lines).toEqual(["a client disconnected before its backup was sent"]));
  const again = await ask();
  expect((await again.toArray()).reduce((sum: number, piece: Buffer) => sum + piece.length, 0)).toBe(20_000_000);
});

test.each([
  ["GET", "/", 404, undefined, "page_unknown"],
  ["POST", "/", 404, undefined, "page_unknown"],
  ["POST", backupPath, 405, "GET", "method_refused"],
  ["HEAD", backupPath, 405, "GET", ""],
])("%s %s is refused with %d, and no copy is made", async (method, path, status, allow, code) => {
  make = () => Promise.reject(new Error("made"));
  const answer = await ask(path, method);
  expect([answer.statusCode, answer.headers.allow]).toEqual([status, allow]);
  expect(await text(answer)).toContain(code);
  expect(lines).toEqual([]);
});

test("where no socket can be made yet the hub says so once, tries again, and says when it works", async () => {
  await control.close();
  rmSync(join(folder, "control"), { recursive: true });
  writeFileSync(join(folder, "control"), "in the way");
  lines = [];
  control = await openControl();
  retry();
  await vi.waitFor(() => expect(retries).toBe(2));
  expect(lines).toEqual([expect.stringMatching(/gohm commands on this machine .* cannot reach the hub: .*control/)]);
  rmSync(join(folder, "control"));
  retry();
  await vi.waitFor(() => expect(lines).toHaveLength(2));
  expect(lines[1]).toBe("gohm commands on this machine can reach the hub again");
  expect(await text(await ask())).toBe("a copy");
});

test("a folder whose socket answers is refused, one that a killed hub left is not", async () => {
  await expect(checkAlone(folder)).rejects.toThrow(/Another hub is using the data folder/);
  await control.close();
  await checkAlone(folder);
  await checkAlone(join(folder, "missing"));
});

test("every route is there, for the owner, and a fault has the form that it has on TCP", async () => {
  expect(await text(await ask("/who"))).toBe('{"kind":"owner","origin":"control"}');
  const { paths } = JSON.parse(await text(await ask("/openapi.json"))) as { paths: object };
  expect(Object.keys(paths)).toEqual(["/openapi.json", "/who", backupPath, `${backupPath}/{database}`]);
  const fault = await ask("/nothing");
  expect([fault.headers["content-type"], await text(fault)]).toEqual([
    "application/json; charset=utf-8",
    '{"error":{"code":"page_unknown","message":"There is nothing at this path."}}',
  ]);
});

test("signs of life come while a copy is made, and none in the middle of it, however slowly it is read", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  try {
    const copy = Buffer.alloc(20_000_000, "a copy");
    let finish = (): void => {};
    make = async (path) => {
      await new Promise<void>((resolve) => (finish = resolve));
      writeFileSync(path, copy);
    };
    const alive: number[] = [];
    const answer = new Promise<IncomingMessage>((done, fail) => {
      const asked = request({ socketPath: socketPathOf(folder).path, path: backupPath, agent: false }, done);
      asked.on("information", ({ statusCode }) => alive.push(statusCode));
      asked.once("error", fail).end();
    });
    await vi.waitFor(() => expect(vi.getTimerCount()).toBe(1));
    vi.advanceTimersByTime(11_000);
    await vi.waitFor(() => expect(alive).toEqual([102, 102]));
    finish();
    const reading = (await answer).pause();
    vi.advanceTimersByTime(60_000);
    const pieces = (await reading.toArray()) as Buffer[];
    expect(Buffer.concat(pieces).equals(copy)).toBe(true);
    expect(alive).toEqual([102, 102]);
  } finally {
    vi.useRealTimers();
  }
});
