import { getExamples, safeParse } from "valibot";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Receiver } from "../../test/receiver.ts";
import { Fault } from "../fault.ts";
import { loggerReceiveRoutes } from "../route/logger.ts";

const second = 1000;
const minute = 60_000;
let hub: Receiver;

beforeEach(() => {
  hub = new Receiver({ register: "open" });
});
afterEach(() => hub.close());

async function start(...options: ConstructorParameters<typeof Receiver>): Promise<void> {
  await hub.close();
  hub = new Receiver(...options);
}

const kept = (host = "lab1") => hub.utilization(host);
const cards = (host = "lab1") =>
  hub.live.host(host)?.info?.gpus.map(({ id, utilization, state }) => [id, utilization, state]);

/** A body whose sender goes away after a text. */
function brokenOff(text: string): ReadableStream<Uint8Array> {
  const pieces = [Buffer.from(text)];
  return new ReadableStream({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.error(new Error("gone"));
      else controller.enqueue(piece);
    },
  });
}

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

test("the document's own example is taken, and what is answered is as the document says", async () => {
  const { takes, answer } = loggerReceiveRoutes.receiveData;
  const [example] = getExamples(takes["application/json"].options[0]);
  for (const body of [{ ...(example as object), timestamp: hub.zone.format(hub.now) }, []]) {
    const { status, body: answered } = await hub.records(body);
    expect([status, safeParse(answer["application/json"], answered).success]).toEqual([200, true]);
  }
});

test("records are answered once history can take more, and asked for again if they cannot be written", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  hub.ready = () => promise;
  let answered = false;
  const answer = hub.records(hub.tick(0, 1)).finally(() => {
    answered = true;
  });
  await hub.settle();
  await hub.settle();
  expect(answered).toBe(false);
  resolve();
  expect((await answer).status).toBe(200);
  hub.ready = () => Promise.reject(new Fault("history_unwritable", "The disk is full."));
  expect(await hub.records(hub.tick(0, 1))).toMatchObject({
    status: 503,
    body: { success: false, detail: "The disk is full.", error_code: "HISTORY_UNWRITABLE" },
  });
});

describe("records that cannot be taken", () => {
  const bad = (): object => ({ ...hub.tick(0, 1)[0], gpu_id: "x" });

  test("one alone is 422 with the places, and registers nobody", async () => {
    const { status, body } = await hub.records(bad());
    expect([status, body]).toEqual([
      422,
      {
        success: false,
        detail: "資料格式驗證失敗",
        error_code: "VALIDATION_ERROR",
        errors: [
          {
            loc: ["body", "gpu_id"],
            msg: "Input should be a valid integer, unable to parse string as an integer",
            type: "int_parsing",
          },
        ],
      },
    ]);
    expect(hub.book.nodes()).toEqual([]);
    expect(hub.refusals.list()).toMatchObject([{ counts: [{ reason: "format", code: "validation_error" }] }]);
  });

  test("in an array the others are taken, these are counted, logged once, and shown to administrators", async () => {
    for (let i = 0; i < 3; i++) {
      const records = [...hub.tick(0, 2), bad(), 7, null, [], { ...hub.tick(0, 1)[0], timestamp: "soon" }];
      const { status, body } = await hub.records(records);
      expect([status, body.received_count, body.failed_count]).toEqual([200, 2, 5]);
      expect(body.message).toBe("Batch data received: 2 successful, 5 failed");
    }
    expect(hub.troubles.of("lab1")).toEqual([
      "2 of the records in its last request could not be taken: gpu_id: Input should be a valid integer, unable to parse string as an integer.",
    ]);
    expect(hub.log.lines.filter((line) => line.includes("cannot be taken"))).toHaveLength(2);
    // Records of no client are refusals of their sender. No notice: everybody sees those, and may send such records.
    expect(hub.refusals.list()).toMatchObject([
      { address: "10.0.0.5", counts: [{ code: "validation_error", count: 3 }] },
    ]);
    expect(hub.notices.size).toBe(0);
    await hub.pass(11 * minute);
    expect(hub.troubles.of("lab1")).toEqual([]);
  });

  test("a request may have records of 64 clients, and registers no more", async () => {
    const records = Array.from({ length: 200 }, (_, i) => hub.tick(0, 1, { client_name: `lab${i}` })).flat();
    expect((await hub.records(records)).body).toMatchObject({ received_count: 64, failed_count: 136 });
    expect(hub.live.hosts()).toHaveLength(64);
  });

  test("of more than a million records the rest is read, so that the sender sees the answer; administrators see it", async () => {
    await start({ register: "open" }, { body: "" });
    const rest = [...Array(40).fill("1,".repeat(30_000)), "1]"];
    const pieces = [`[${JSON.stringify(hub.tick(0, 1)[0])},`, ...rest].map((text) => Buffer.from(text));
    let isCanceled = false;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const piece = pieces.shift();
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
      cancel: () => {
        isCanceled = true;
      },
    });
    const { status, body: answer } = await hub.ask("POST", "/api/receive-data", {}, body);
    expect([status, answer.success, answer.error_code]).toEqual([413, false, "BODY_TOO_LARGE"]);
    expect([pieces.length, isCanceled, kept().length]).toEqual([0, false, 1]);
    expect(hub.troubles.of("lab1").join()).toContain("more than 1000000 records");
  });

  test("an empty array is 200 with 0 and 0", async () => {
    expect((await hub.records([])).body).toMatchObject({ success: true, received_count: 0, failed_count: 0 });
  });

  test.each([
    ["", "json_invalid"],
    ["3", "json_invalid"],
    ["%PDF-1.7", "json_invalid"],
    ['"text"', "json_invalid"],
    ["{", "json_invalid"],
    ["{}x", "json_invalid"],
    ["{}", "missing"],
    ["[1] 2", "json_invalid"],
  ])("the body %j is 422: %s", async (body, type) => {
    const { status, body: answer } = await hub.records(body);
    expect([status, answer]).toMatchObject([
      422,
      { error_code: "VALIDATION_ERROR", errors: expect.arrayContaining([expect.objectContaining({ type })]) },
    ]);
  });

  test("of an array that stops half-way the complete records are kept, and the client is told to send it again", async () => {
    const text = JSON.stringify(hub.tick(0, 4));
    const { status, body } = await hub.records(text.slice(0, text.lastIndexOf("{") + 30));
    expect([status, body.error_code]).toEqual([422, "VALIDATION_ERROR"]);
    expect(Object.keys(kept()[0]?.[1] ?? {})).toHaveLength(3);
    expect((await hub.records(text)).body.received_count).toBe(4);
    expect(new Set(kept().map(([at]) => at)).size).toBe(1);
  });

  test.each<readonly [string, (text: string) => BodyInit]>([
    ["is followed by something else", (text) => `${text}x`],
    ["is cut off with the connection", (text) => brokenOff(text)],
  ])("of an array that %s the complete records are kept", async (_, bodyOf) => {
    const { status } = await hub.ask("POST", "/api/receive-data", {}, bodyOf(JSON.stringify(hub.tick(0, 3))));
    expect(status).toBeGreaterThanOrEqual(400);
    expect(Object.keys(kept()[0]?.[1] ?? {})).toHaveLength(3);
  });

  test("NaN and infinite numbers as Python writes them are not known", async () => {
    const text = JSON.stringify(hub.tick(0, 1, { utilization_gpu: 5, power_draw: 77_777, temperature: 66_666 }));
    const { body } = await hub.records(text.replace("77777", "NaN").replace("66666", "-Infinity"));
    expect(body.received_count).toBe(1);
    expect(kept()).toEqual([[0, { "gpu #0": 5 }]]);
  });

  test("a compressed body is refused, and no type, or any other one, is asked for", async () => {
    const headers = { "Content-Encoding": "gzip" };
    expect((await hub.records([], { headers })).body).toMatchObject({ error_code: "MEDIA_TYPE_REFUSED" });
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8"]) {
      expect((await hub.records(hub.tick(0, 1), { headers: { "Content-Type": type } })).status).toBe(200);
    }
    const body = JSON.stringify(hub.tick(0, 1));
    expect((await hub.ask("POST", "/api/receive-data", {}, new Blob([body]))).status).toBe(200);
  });

  test("a larger body than push.body is 413, by its length or as it comes, which administrators see", async () => {
    await start({ register: "open" }, { body: "1MiB" });
    await hub.records(hub.tick(0, 1));
    const body = JSON.stringify(hub.tick(0, 9000));
    expect(body.length).toBeGreaterThan(1024 ** 2);
    const refused = { status: 413, body: { success: false, error_code: "BODY_TOO_LARGE" } };
    expect(await hub.records(body, { headers: { "Content-Length": String(body.length) } })).toMatchObject(refused);
    const stream = new Blob([body]).stream();
    const headers = { "Transfer-Encoding": "chunked" };
    expect(await hub.ask("POST", "/api/receive-data", { headers }, stream)).toMatchObject(refused);
    expect(hub.troubles.of("lab1").join()).toContain("larger than 1MiB (push.body)");
  });
});

test("an agent under the name of a client is told what opens it, and administrators, too", async () => {
  await hub.records(hub.tick(0));
  const { status, body } = await hub.register("lab1", {}, { from: "10.0.0.6" });
  expect([status, body.error]).toEqual([
    409,
    'A client of the GPU Metrics Logger has the name "lab1": an administrator can open it for this agent (gohm node reset).',
  ]);
  expect(hub.troubles.of("lab1")).toEqual([
    'A machine at 10.0.0.6 asked to register as "lab1", which is the name of this client of the logger. If it is this machine, open the name for its agent (gohm node reset); if not, give it another host name.',
  ]);
  hub.reset("lab1");
  expect((await hub.register("lab1", {}, { from: "10.0.0.6" })).status).toBe(200);
  expect((await hub.register("lab1", {}, { from: "10.0.0.6" })).body.error).toMatch(/registered already/);
});
