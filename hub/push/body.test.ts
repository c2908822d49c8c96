import { Hono } from "hono";
import { expect, test } from "vitest";
import { asFault } from "../fault.ts";
import { BodyReader, declaredLength, mediaTypeOf } from "./body.ts";

const types = { json: ["application/json"], sample: ["application/x-protobuf", "application/protobuf"] } as const;

/** An application that reads bodies as the portal does; faults are their codes. */
function reading(reader: BodyReader, most: number): Hono {
  const app = new Hono();
  app.post("/:sender", async (c) => {
    const bytes = await reader.read(c, c.req.param("sender"), most);
    return c.text(`${mediaTypeOf(c, types)} ${bytes.length}`);
  });
  app.onError((error, c) => c.text(asFault(error).code));
  return app;
}

/** A body that comes when it is told to. */
function slow(): { readonly body: ReadableStream<Uint8Array>; send(bytes: number): void; end(): void } {
  let out: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      out = controller;
    },
  });
  return { body, send: (bytes) => out?.enqueue(new Uint8Array(bytes)), end: () => out?.close() };
}

const post = async (
  app: Hono,
  sender: string,
  body: BodyInit,
  headers: Readonly<Record<string, string>>,
): Promise<string> =>
  (
    await app.request(`/${sender}`, {
      ...{ method: "POST", body, duplex: "half" },
      headers: { "Content-Type": "application/json", ...headers },
    })
  ).text();

const chunked = { "Transfer-Encoding": "chunked" };
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("bodies that are on their way are counted, of each sender and of all, and are counted out at their end", async () => {
  const reader = new BodyReader({ total: 301, perSender: 200 });
  const app = reading(reader, 100);
  const slows = [slow(), slow(), slow()];
  const asked = slows.map(({ body }, i) => post(app, i < 2 ? "a" : "b", body, { "Content-Length": "100" }));
  await turn();
  expect(reader.reserved).toBe(300);
  expect(await post(app, "a", "x", { "Content-Length": "1" })).toBe("busy");
  expect(await post(app, "c", "xx", { "Content-Length": "2" })).toBe("busy");
  const [one, two, three] = slows;
  one?.send(100);
  one?.end();
  expect(await asked[0]).toBe("json 100");
  expect(reader.reserved).toBe(200);
  expect(await post(app, "c", "x", { "Content-Length": "1" })).toBe("json 1");
  for (const each of [two, three]) each?.end();
  expect(await Promise.all(asked)).toEqual(["json 100", "json 0", "json 0"]);
  expect(reader.reserved).toBe(0);
});

test("a body of unknown length counts as the longest one, and is cut off there", async () => {
  const reader = new BodyReader({ total: 300, perSender: 200 });
  const app = reading(reader, 100);
  const { body, send } = slow();
  const asked = post(app, "a", body, chunked);
  await turn();
  expect(reader.reserved).toBe(100);
  send(60);
  send(60);
  expect(await asked).toBe("body_too_large");
  expect(reader.reserved).toBe(0);
});

test("a body whose sender goes away is counted out", async () => {
  const reader = new BodyReader({ total: 300, perSender: 200 });
  const app = reading(reader, 100);
  const broken = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.error(new Error("gone"));
    },
  });
  expect(await post(app, "a", broken, chunked)).toBe("canceled");
  expect(reader.reserved).toBe(0);
});

test.each([
  ["application/json", {}, "json 1"],
  ["Application/JSON ; charset=utf-8", {}, "json 1"],
  ["application/x-protobuf; messageType=gpu.HostInfo", {}, "sample 1"],
  ["application/protobuf", { "Content-Encoding": "identity" }, "sample 1"],
  ["application/jsonx", {}, "media_type_refused"],
  ["", {}, "media_type_refused"],
  ["application/json", { "Content-Encoding": "gzip" }, "media_type_refused"],
  ["application/json", { "Content-Encoding": "Identity, br" }, "media_type_refused"],
])("a body of type %j with %j is %s", async (type, more, wanted) => {
  const app = reading(new BodyReader({ total: 300, perSender: 200 }), 100);
  expect(await post(app, "a", "x", { "Content-Type": type, "Content-Length": "1", ...more })).toBe(wanted);
});

test("a length over the limit is refused by the head of the request alone", async () => {
  const app = new Hono();
  app.post("/", (c) => c.text(String(declaredLength(c, 100))));
  app.onError((error, c) => c.text(asFault(error).code));
  const ask = async (headers: Readonly<Record<string, string>>) =>
    (await app.request("/", { method: "POST", headers })).text();
  expect(await ask({ "Content-Length": "101" })).toBe("body_too_large");
  expect(await ask({ "Content-Length": "100" })).toBe("100");
  expect(await ask(chunked)).toBe("undefined");
});
