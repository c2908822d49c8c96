import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fetchBytes, fetchJson, listen, loadWithRetry, Refusal, SignIn, signInsNeeded } from "./ask.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const binary = "application/x-protobuf";

/** The network gives this answer; it fails, as fetch does, when the request is given up. */
function answers(answer: () => Response): void {
  vi.stubGlobal("fetch", async (_: string, { signal }: { signal: AbortSignal }) => {
    const made = answer();
    if (made.body === null) return made;
    const { readable, writable } = new TransformStream();
    made.body.pipeTo(writable, { signal }).catch(() => {}); // given up: the reader sees it
    return new Response(readable, made);
  });
}

/** A body that brings one byte after each pause of so many milliseconds. */
function trickle(...pauses: number[]): ReadableStream {
  return new ReadableStream({
    async pull(controller) {
      const pause = pauses.shift();
      if (pause === undefined) return controller.close();
      await new Promise((done) => setTimeout(done, pause));
      controller.enqueue(Uint8Array.of(pauses.length));
    },
  });
}

test("an answer may take as long as it likes while bytes come", async () => {
  const headers = { "Content-Type": binary };
  answers(() => new Response(trickle(9000, 9000, 9000, 9000), { headers }));
  const got = fetchBytes("x", binary, new AbortController().signal);
  await vi.advanceTimersByTimeAsync(40_000);
  expect([...(await got)]).toEqual([3, 2, 1, 0]);
});

test("an answer that falls silent is given up, as is one that nobody waits for any more", async () => {
  const headers = { "Content-Type": binary };
  answers(() => new Response(trickle(1000, 60_000), { headers }));
  const silent = expect(fetchBytes("x", binary, new AbortController().signal)).rejects.toThrow("no byte for 10 s");
  await vi.advanceTimersByTimeAsync(11_500);
  await silent;
  const stop = new AbortController();
  const left = expect(fetchBytes("x", binary, stop.signal)).rejects.toThrow("gone");
  await vi.advanceTimersByTimeAsync(500);
  stop.abort(new Error("gone"));
  await vi.advanceTimersByTimeAsync(0);
  await left;
});

const hubRefusal = (status: number, code: string): Response =>
  Response.json({ error: { code, message: "a sentence of the hub" } }, { status });

const html = { "Content-Type": "text/html; charset=utf-8" };
test.each([
  ["a page in its place", () => new Response("<h1>", { headers: html }), "sign-in"],
  ["a page that forbids it", () => new Response("<h1>", { status: 403, headers: html }), "sign-in"],
  ["401", () => new Response("", { status: 401 }), "sign-in"],
  ["511", () => new Response("", { status: 511 }), "sign-in"],
  ["the hub's own 401", () => hubRefusal(401, "sign_in_needed"), "signed-out"],
  ["a proxy's page that the hub is away", () => new Response("<h1>", { status: 502, headers: html }), "closed"],
  ["a refusal", () => Response.json({ error: {} }, { status: 403 }), "closed"],
  ["another type", () => Response.json({}), "closed"],
  ["the end of the stream", () => new Response("", { headers: { "Content-Type": "text/event-stream" } }), "closed"],
])("a stream that is answered by %s ends so", async (_, answer, reason) => {
  answers(answer);
  const ended = new Promise((done) => listen("feed", { began: () => {}, piece: () => {}, ended: done }));
  expect(await ended).toBe(reason);
});

const refusalOf = async (answer: () => Response): Promise<unknown> => {
  answers(answer);
  return fetchJson("POST", "x", {}, new AbortController().signal).catch((error: unknown) => error);
};

test("a refusal of the hub has its code and its sentence; that of a proxy has neither", async () => {
  const own = await refusalOf(() => hubRefusal(409, "name_taken"));
  expect(own).toBeInstanceOf(Refusal);
  expect(own).toMatchObject({ code: "name_taken", reason: "a sentence of the hub" });
  expect(await refusalOf(() => new Response("bad gateway", { status: 502 }))).toMatchObject({
    code: "",
    reason: "bad gateway",
  });
});

test("a wrong password is a refusal, though its status is 401; a session that has ended is counted as such", async () => {
  const before = signInsNeeded.peek();
  expect(await refusalOf(() => hubRefusal(401, "sign_in_refused"))).toMatchObject({ code: "sign_in_refused" });
  expect(await refusalOf(() => new Response("", { status: 401 }))).toMatchObject({ own: false });
  expect(signInsNeeded.peek()).toBe(before);
  const ended = await refusalOf(() => hubRefusal(401, "sign_in_needed"));
  expect(ended).toBeInstanceOf(SignIn);
  expect(ended).toMatchObject({ own: true });
  expect(signInsNeeded.peek()).toBe(before + 1);
});

test("a change may take the hub a while, longer than a reading", async () => {
  answers(() => new Response(trickle(50_000), { headers: { "Content-Type": "application/json" } }));
  const slow = fetchJson("POST", "x", {}, new AbortController().signal).catch((error: Error) => error.message);
  await vi.advanceTimersByTimeAsync(61_000);
  expect(await slow).not.toContain("no byte");
  answers(() => new Response(trickle(50_000), { headers: { "Content-Type": "application/json" } }));
  const silent = fetchJson("GET", "x", undefined, new AbortController().signal).catch((error: Error) => error.message);
  await vi.advanceTimersByTimeAsync(61_000);
  expect(await silent).toContain("no byte for 10 s");
});

test("a stream hands over its text as it comes, characters whole, and nothing after it was closed", async () => {
  const snow = new TextEncoder().encode("❄");
  const pieces: string[] = [];
  let more: (bytes: Uint8Array) => void = () => {};
  const body = new ReadableStream({
    start(controller) {
      more = (bytes) => controller.enqueue(bytes);
    },
  });
  answers(() => new Response(body, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } }));
  const close = listen("feed", {
    began: () => pieces.push("began"),
    piece: (text) => pieces.push(text),
    ended: () => pieces.push("ended"),
  });
  more(snow.slice(0, 1));
  await vi.advanceTimersByTimeAsync(1);
  more(snow.slice(1));
  await vi.waitFor(() => expect(pieces).toEqual(["began", "❄"]));
  close();
  more(snow);
  await vi.advanceTimersByTimeAsync(1);
  expect(pieces).toEqual(["began", "❄"]);
});

test("what the page cannot do without is asked for until it is there, less and less often, while somebody looks", async () => {
  const document = Object.assign(new EventTarget(), { hidden: false });
  vi.stubGlobal("document", document);
  const at: number[] = [];
  const begun = Date.now();
  const got = loadWithRetry(
    async () => {
      at.push((Date.now() - begun) / 1000);
      if (at.length < 8) throw new Error("404");
      return "there";
    },
    () => true,
  );
  await vi.advanceTimersByTimeAsync(7500);
  expect(at).toEqual([0, 1, 3, 7]);
  document.hidden = true;
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(at).toHaveLength(4);
  document.hidden = false;
  document.dispatchEvent(new Event("visibilitychange"));
  await vi.advanceTimersByTimeAsync(0);
  expect(at).toHaveLength(5);
  await vi.advanceTimersByTimeAsync(16_000 + 30_000 + 30_000);
  expect(await got).toBe("there");
});

test("nobody waits for what is not wanted any more", async () => {
  let asked = 0;
  const got = loadWithRetry(
    async () => {
      asked++;
      throw new Error("404");
    },
    () => false,
  );
  expect(await got).toBeUndefined();
  expect(asked).toBe(1);
});

test.each([
  [
    "the hub's message",
    () => Response.json({ error: { code: "host_unknown", message: 'There is no host "x".' } }, { status: 404 }),
    '404 There is no host "x".',
  ],
  [
    "the beginning of another body",
    () => new Response(`no ${"x".repeat(300)}`, { status: 502 }),
    `502 no ${"x".repeat(197)}`,
  ],
  ["JSON of others as it is", () => Response.json({ error: "busy" }, { status: 503 }), '503 {"error":"busy"}'],
])("a refused request says %s", async (_, answer, message) => {
  answers(answer);
  await expect(fetchBytes("x", binary, new AbortController().signal)).rejects.toMatchObject({ message });
});

test("no other file of the page makes requests", () => {
  const folder = fileURLToPath(new URL(".", import.meta.url));
  const files = globSync("**/*.{ts,tsx}", { cwd: folder }).filter((file) => !file.includes(".test."));
  expect(files.length).toBeGreaterThan(30);
  const request = /\b(fetch|EventSource|WebSocket|XMLHttpRequest|sendBeacon)\s*\(/;
  expect(files.filter((file) => request.test(readFileSync(folder + file, "utf8")))).toEqual(["ask.ts"]);
});
