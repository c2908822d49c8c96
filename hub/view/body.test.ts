import { get, type IncomingMessage, request } from "node:http";
import { Socket } from "node:net";
import type { Context } from "hono";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openFront } from "../../test/door.ts";
import { application } from "../http/application.ts";
import { listen, type WebServer } from "../http/server.ts";
import { silent } from "../log.ts";
import { serve } from "../route/handler.ts";
import type { Routes } from "../route/route.ts";
import { socket } from "../who.ts";
import { answer, turn } from "./body.ts";

const piece = Buffer.alloc(1_000_000, "x");
/** A gigabyte: far more than lies between two programs. */
const pieces = 1000;

const plain = { method: "GET", needs: "open", tag: "test", summary: "", answer: {}, refuses: [] } as const;
const routes = {
  long: { ...plain, path: "/long" },
  broken: { ...plain, path: "/broken" },
  late: { ...plain, path: "/late" },
} as const satisfies Routes;

let web: WebServer;
let made = 0;
let ended = false;
let lines: string[];
/** Resolves the answer that is long in the making. */
let finish: (text: string) => void;

async function* long(): AsyncGenerator<Uint8Array> {
  try {
    for (made = 0; made < pieces; made++) yield piece;
  } finally {
    ended = true;
  }
}

async function* broken(): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < 30; i++) yield piece;
  throw new Error("the disk is gone");
}

beforeEach(async () => {
  ended = false;
  lines = [];
  const log = { ...silent, error: (line: string) => void lines.push(line) };
  const served = serve(routes, {
    long: ({ c }) => answer({ c, log }, long(), {}),
    broken: ({ c }) => answer({ c, log }, broken(), {}),
    late: async ({ c }) => c.text(await new Promise<string>((resolve) => (finish = resolve))),
  });
  const door = { address: "127.0.0.1:0", front: openFront, names: () => [], log, stallMs: 50 };
  web = await listen(application([{ routes: served }], { log, entry: socket }), door);
});

afterEach(() => web.close());

const begun = (path = "/long"): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    get(`http://127.0.0.1:${web.port}${path}`, resolve).on("error", reject);
  });

test("a long answer is made as its reader takes it, and no further once the reader is gone", async () => {
  const answered = await begun();
  const read = await new Promise<number>((resolve) => {
    let size = 0;
    answered.on("data", (part: Buffer) => {
      size += part.length;
      // Far beyond what was there from the beginning.
      if (size > 50 * piece.length) {
        answered.pause();
        resolve(size);
      }
    });
  });
  expect(made).toBeGreaterThanOrEqual(Math.floor(read / piece.length));
  expect(ended).toBe(false);
  answered.destroy();
  await vi.waitFor(() => expect(ended).toBe(true));
  expect(made).toBeLessThan(pieces);
});

test("a reader that takes nothing is cut, and nothing more is made for it", async () => {
  const answered = await begun();
  const cut = new Promise((resolve) => answered.once("error", resolve));
  await vi.waitFor(() => expect(ended).toBe(true), { timeout: 15_000 });
  expect(made).toBeLessThan(pieces);
  answered.resume();
  await cut;
});

test("an answer that takes the hub longer than a reader may take is not cut", async () => {
  const wound = vi.spyOn(Socket.prototype, "setTimeout");
  const answered = begun("/late");
  // Its time has passed three times over.
  await vi.waitFor(() => expect(wound.mock.calls.filter(([ms]) => ms === 50).length).toBeGreaterThan(3));
  wound.mockRestore();
  finish("at last");
  const pieces: Buffer[] = [];
  for await (const part of await answered) pieces.push(part as Buffer);
  expect(Buffer.concat(pieces).toString()).toBe("at last");
});

test("an answer that fails in the middle ends without looking whole, and the log says why in a line of its own", async () => {
  const said: unknown[] = [];
  const [error, info] = [vi.spyOn(console, "error"), vi.spyOn(console, "info")];
  for (const spy of [error, info]) spy.mockImplementation((...words) => void said.push(words));
  const answered = await begun("/broken");
  await expect(answered.toArray()).rejects.toMatchObject({ code: "ECONNRESET" });
  await vi.waitFor(() => expect(lines).toEqual([expect.stringContaining("the disk is gone")]));
  expect(said).toEqual([]);
  vi.restoreAllMocks();
});

test("a reader that leaves while a piece is made is no failure of the answer", async () => {
  const gate = Promise.withResolvers<void>();
  async function* slow(): AsyncGenerator<Uint8Array> {
    yield piece;
    yield piece;
    await gate.promise;
    yield piece;
  }
  const c = { req: { raw: new Request("http://hub/") }, env: {} } as unknown as Context;
  const log = { ...silent, error: (line: string) => void lines.push(line) };
  const reader = (await answer({ c, log }, slow(), {})).body?.getReader();
  await reader?.read();
  await reader?.read();
  const gone = reader?.cancel();
  gate.resolve();
  await gone;
  await turn();
  expect(lines).toEqual([]);
});

test("who asks for the headers of a long answer alone leaves nothing of it behind", async () => {
  const status = await new Promise((resolve, reject) => {
    request(`http://127.0.0.1:${web.port}/long`, { method: "HEAD" }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    })
      .on("error", reject)
      .end();
  });
  expect([status, ended, made < pieces]).toEqual([200, true, true]);
});

/** An answer with an entity tag, of so many pieces of a megabyte, to a client that has one of this tag. */
function tagged(count: number, etag?: string): Promise<Response> {
  async function* some(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < count; i++) yield piece;
  }
  const req = { raw: new Request("http://hub/"), header: () => etag };
  return answer({ c: { req, env: {} } as unknown as Context, log: silent, tagged: true }, some(), { "X-Own": "1" });
}

test("a tag is of the content: who has the same is told so without it, also where a proxy made the tag weak or sent others", async () => {
  const first = await tagged(2);
  const etag = first.headers.get("etag") ?? "";
  expect(etag).toMatch(/^W\/"[\w-]{22}"$/);
  expect((await first.arrayBuffer()).byteLength).toBe(2 * piece.length);
  for (const had of [etag, etag.slice(2), `"other", ${etag}`, "*"]) {
    const again = await tagged(2, had);
    expect([again.status, again.headers.get("etag"), again.headers.get("x-own")]).toEqual([304, etag, "1"]);
    expect((await again.arrayBuffer()).byteLength).toBe(0);
  }
  const other = await tagged(3, etag);
  expect([other.status, other.headers.get("etag") === etag]).toEqual([200, false]);
});

test("an answer of more than 4 MiB goes out in pieces, without a tag and whole", async () => {
  const large = await tagged(6, "*");
  expect([large.status, large.headers.get("etag")]).toEqual([200, null]);
  expect((await large.arrayBuffer()).byteLength).toBe(6 * piece.length);
});
