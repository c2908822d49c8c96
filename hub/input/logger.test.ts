import { afterEach, beforeEach, expect, test } from "vitest";
import { Receiver } from "../../test/receiver.ts";

const second = 1000;
let hub: Receiver;

beforeEach(() => {
  hub = new Receiver({ register: "open" });
});
afterEach(() => hub.close());

/** Milliseconds from now, and values of each GPU, as history was given them. */
const kept = (host = "lab1") =>
  hub
    .kept(host)
    .map(([at, devices]) => [at, Object.fromEntries(devices.map(([key, values]) => [key, values.gpu_utilization]))]);
const cards = (host = "lab1") =>
  hub.live.host(host)?.info?.gpus.map(({ id, utilization, state }) => [id, utilization, state]);

test("an array of a client's records is its host: live, in history, and answered as the logger's server does", async () => {
  const answer = await hub.records(hub.tick(2 * second, 2));
  expect([answer.status, answer.body]).toEqual([
    200,
    {
      success: true,
      message: "Batch data received: 2 successful, 0 failed",
      received_count: 2,
      failed_count: 0,
      timestamp: hub.zone.format(hub.now),
      code: 200,
      data: { received_count: 2, failed_count: 0 },
    },
  ]);
  expect(hub.node("lab1")).toMatchObject({ way: "logger", state: "approved", origin: "10.0.0.5", host: "lab1" });
  expect(kept()).toEqual([[-2 * second, { "gpu #0": 50, "gpu #1": 51 }]]);
  expect(cards()).toEqual([
    [0, 50, 1],
    [1, 51, 1],
  ]);
  expect(hub.linkOf("lab1")?.state).toBe("open");
});

test("one record is answered with its own time, at each of the three paths", async () => {
  for (const [i, path] of ["/api/receive-data", "/api/gpu/receive-data", "/api/gpu/receive-data-batch"].entries()) {
    const [record] = hub.tick(i * second);
    const { status, body } = await hub.records(record, {}, path);
    expect([status, body]).toEqual([
      200,
      {
        success: true,
        message: "Data received and saved successfully",
        timestamp: hub.zone.format(hub.now - i * second),
        code: 200,
        data: { received_count: 1, failed_count: 0 },
      },
    ]);
  }
});
