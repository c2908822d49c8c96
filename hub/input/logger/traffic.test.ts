import { afterEach, beforeEach, expect, test } from "vitest";
import { Receiver } from "../../../test/receiver.ts";

const second = 1000;
const large = 8 * 1024 ** 2;
let hub: Receiver;

beforeEach(() => {
  hub = new Receiver({ register: "open" });
});
afterEach(() => hub.close());

/** Begins a request whose body never comes. @returns its status, once it has one */
function stall(from: string, length: number): { status: number | undefined; end(): void } {
  let out: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      out = controller;
      controller.enqueue(Buffer.from("["));
    },
  });
  const sending = { from, headers: { "Content-Length": String(length) } };
  const request = { status: undefined as number | undefined, end: () => out?.error(new Error("gone")) };
  void hub.ask("POST", "/api/receive-data", sending, body).then(({ status }) => {
    request.status = status;
  });
  return request;
}

const send = (from: string, length: number) =>
  hub.records(hub.tick(0, 1), { from, headers: { "Content-Length": String(length) } });

test("one sender has two large requests at a time, and others have room beside", async () => {
  const stalled = [stall("10.0.0.2", large), stall("10.0.0.2", large)];
  await hub.settle();
  expect((await send("10.0.0.2", large)).body).toMatchObject({ success: false, error_code: "BUSY" });
  expect((await send("10.0.0.2", 200)).status).toBe(200);
  expect((await send("10.0.0.3", large)).status).toBe(200);
  for (const one of stalled) one.end();
  await hub.settle();
  expect((await send("10.0.0.2", large)).status).toBe(200);
});

test("requests that stall give way to others that were refused for them, and not before", async () => {
  const stalled = ["10.0.0.2", "10.0.0.3", "10.0.0.4"].flatMap((from) => [stall(from, large), stall(from, large)]);
  await hub.pass(20 * second);
  expect(stalled.map(({ status }) => status)).toEqual(stalled.map(() => undefined));
  expect((await send("10.0.0.9", large)).status).toBe(503);
  await hub.pass(2 * second);
  expect(stalled.map(({ status }) => status)).toEqual(stalled.map(() => 408));
  expect((await send("10.0.0.9", large)).status).toBe(200);
});

test("small requests that stall do not keep others out either", async () => {
  const stalled = Array.from({ length: 256 }, (_, i) => stall(`10.0.1.${i % 8}`, 200));
  await hub.settle();
  expect((await send("10.0.0.9", 200)).status).toBe(503);
  await hub.pass(7 * second);
  expect((await send("10.0.0.9", 200)).status).toBe(200);
  expect(stalled.every(({ status }) => status === 408)).toBe(true);
});
