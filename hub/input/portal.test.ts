import fc from "fast-check";
import { getExamples } from "valibot";
import { afterEach, expect, test } from "vitest";
import { cases } from "../../test/cases.ts";
import { Receiver } from "../../test/receiver.ts";
import { pushRoutes } from "../route/push.ts";

const second = 1000;
let hub: Receiver;

afterEach(() => hub.close());

const start = (settings: Readonly<Record<string, unknown>> = {}): Receiver => {
  hub = new Receiver(settings);
  return hub;
};

test("registration, configuration and report answer as the Lab Portal does", async () => {
  start();
  const { status, body } = await hub.register("gpu7");
  expect([status, body]).toEqual([
    200,
    {
      status: "registered",
      token: expect.stringMatching(/^[\w-]{43}$/),
      nodeId: 1,
      message: "gpu7 is registered and waits for approval",
    },
  ]);
  const token = String(body.token);
  const first = await hub.config(token);
  expect([first.status, first.body]).toEqual([200, {}]);
  expect(first.headers.get("accept-post")).toContain("application/x-protobuf; messageType=gpu.HostInfo");
  const taken = await hub.report(token, { cpuUsagePct: 5 });
  expect([taken.status, taken.body]).toEqual([200, { ok: true, configVersion: 0 }]);
  hub.configure("gpu7", { gpuIndices: [0], nicNames: [], reportIntervalSec: 7 });
  expect((await hub.report(token)).body).toEqual({ ok: true, configVersion: 1 });
  expect((await hub.config(token)).body).toEqual({
    gpuIndices: [0],
    diskMounts: null,
    nicNames: [],
    reportIntervalSec: 7,
  });
  hub.configure("gpu7", { gpuIndices: [0] });
  // An exporter sleeps for what is there.
  expect((await hub.config(token)).body).toEqual({ gpuIndices: [0], diskMounts: null, nicNames: null });
  const again = await hub.register("gpu7");
  expect([again.status, again.body]).toEqual([
    409,
    { status: "already_registered", error: expect.stringContaining('"gpu7" is registered already') },
  ]);
});

test.each([
  ["config", "GET"],
  ["report", "POST"],
])("%s without a token, with a wrong one, or with another scheme is 401, as JSON", async (last, method) => {
  start();
  const token = await hub.enrolled("gpu7");
  for (const Authorization of ["", "Bearer x", `bearer ${token}`, `Bearer  ${token}`, token]) {
    const headers = { "Content-Type": "application/json", ...(Authorization === "" ? {} : { Authorization }) };
    const { status, body } = await hub.ask(method, last, { headers }, method === "POST" ? "{}" : undefined);
    expect([Authorization, status, body]).toEqual([Authorization, 401, { error: expect.any(String) }]);
  }
});

test.each([
  ["{", {}],
  ["[]", {}],
  ['{"hostname": 5, "capabilities": {}}', {}],
  ['{"hostname": "gpu7"}', {}],
  ['{"hostname": "gpu7", "capabilities": []}', {}],
])("a registration of %s is 400 with {error}", async (body) => {
  start();
  expect(await hub.post("register", body)).toMatchObject({ status: 400, body: { error: expect.any(String) } });
  expect(hub.book.nodes()).toEqual([]);
});

test("a report without a host name is 400, and its administrator sees why", async () => {
  start();
  const token = await hub.enrolled("gpu7");
  expect(await hub.post("report", "{}", { token })).toMatchObject({
    status: 400,
    body: { error: 'The report must have a "hostname".' },
  });
  expect(hub.troubles.of("gpu7")).toEqual(['A report was refused: The report must have a "hostname".']);
  await hub.pass(31 * second);
  expect(hub.linkOf("gpu7")).toMatchObject({
    state: "waiting",
    reason: 'its reports are refused: The report must have a "hostname".',
  });
});

test("the name in a report is not compared: a token is for its own machine", async () => {
  start();
  const [one] = [await hub.enrolled("gpu7"), await hub.enrolled("gpu8")];
  await hub.report(one, { hostname: "gpu8", cpuUsagePct: 5 });
  expect([hub.live.host("gpu7")?.info?.cpu?.busy, hub.live.host("gpu8")?.info]).toEqual([5, undefined]);
});

test("a machine that waits is answered as one that is approved, and its samples are kept", async () => {
  start();
  const token = await hub.enrolled("gpu7", { capabilities: { cpuCores: 4 } });
  await hub.report(token, { gpus: [{ index: 0, utilizationPct: 7 }] });
  expect(hub.linkOf("gpu7")?.state).toBe("open");
  expect(hub.kept("gpu7")).toEqual([[0, [["gpu #0", { gpu_utilization: 7 }]]]]);
  expect(hub.node("gpu7")).toMatchObject({ state: "waiting", origin: "10.0.0.5", capabilities: { cpuCores: 4 } });
  hub.approve("gpu7");
  expect((await hub.report(token)).status).toBe(200);
  expect(hub.node("gpu7").state).toBe("approved");
});

test("a machine that is deleted is refused at once, and gone from live state", async () => {
  start();
  const token = await hub.enrolled("gpu7");
  await hub.report(token);
  expect((await hub.register("gpu7")).status).toBe(409);
  expect(hub.troubles.of("gpu7")).toHaveLength(1);
  hub.remove("gpu7");
  // The next machine of that name has nothing to do with it.
  expect(hub.troubles.of("gpu7")).toEqual([]);
  expect(await hub.config(token)).toMatchObject({ status: 401, body: { error: expect.any(String) } });
  expect((await hub.report(token)).status).toBe(401);
  expect(hub.live.host("gpu7")).toBeUndefined();
  expect((await hub.register("gpu7")).status).toBe(200);
});

test("which version of its configuration a machine took, and when, is in the book a second later", async () => {
  start();
  const token = await hub.enrolled("gpu7");
  hub.configure("gpu7", { gpuIndices: [1] });
  await hub.config(token);
  const time = hub.now;
  await hub.pass(2 * second);
  expect(hub.node("gpu7").taken).toEqual({ version: 1, time });
  await hub.config(token);
  await hub.pass(2 * second);
  expect(hub.node("gpu7").taken?.time).toBe(time);
});

test("a card that came with its uuid and then comes by its index alone goes on in its series", async () => {
  start();
  const token = await hub.enrolled("gpu7");
  await hub.sample(token, hub.sampled(0, { gpus: [{ id: 0, uuid: "GPU-a", name: "A100", temp: 40 }] }));
  await hub.pass(5 * second);
  await hub.report(token, { gpus: [{ index: 0, name: "A100", temperatureC: 41 }] });
  const keys = hub.samples.flatMap(({ devices }) =>
    devices.filter(({ level }) => level === "gpu").map(({ key }) => key),
  );
  expect(keys).toEqual(["GPU-a", "GPU-a"]);
});

test("of two machines with one token, as a copied disk has it, the first one is kept, and administrators see both", async () => {
  start();
  const token = await hub.enrolled("gpu7");
  const boots = [
    { bootId: "11111111-aaaa", uptime: 600n },
    { bootId: "22222222-bbbb", uptime: 300n },
  ];
  for (let i = 0; i < 6; i++) {
    const system = { ...boots[i % 2], load1: i % 2 };
    expect((await hub.sample(token, hub.sampled(0, { system }))).status).toBe(200);
    await hub.pass(5 * second);
  }
  expect([hub.live.host("gpu7")?.info?.system?.bootId, hub.samples.length]).toEqual(["11111111-aaaa", 3]);
  expect(hub.troubles.of("gpu7")).toEqual([expect.stringMatching(/Two machines.*11111111….*22222222…/)]);
});

test.each([
  ["text/plain", {}, 415],
  ["application/json", { "Content-Encoding": "gzip" }, 415],
  ["", {}, 415],
  ["APPLICATION/JSON; charset=utf-8", { "Content-Encoding": "identity" }, 200],
])("a report of type %j with %j is %d", async (type, more, status) => {
  start();
  const token = await hub.enrolled("gpu7");
  const headers = { "Content-Type": type, ...more };
  const answer = await hub.ask("POST", "report", { token, headers }, '{"hostname": "h"}');
  expect([answer.status, status === 200 ? answer.body.ok : typeof answer.body.error]).toEqual([
    status,
    status === 200 ? true : "string",
  ]);
});

test.each([1_200_000, 10_000_000])(
  "a report of %d bytes is 413, whether its length is declared or not",
  async (size) => {
    start({ register: "open" });
    const token = await hub.enrolled("gpu7");
    const body = JSON.stringify({ hostname: "h", x: "x".repeat(size) });
    const headers = { "Content-Type": "application/json" };
    const declared = await hub.ask(
      "POST",
      "report",
      { token, headers: { ...headers, "Content-Length": String(body.length) } },
      body,
    );
    let sent = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 65_536;
        if (sent > size) controller.close();
        else controller.enqueue(Buffer.alloc(65_536, " "));
      },
    });
    const chunked = await hub.ask(
      "POST",
      "report",
      { token, headers: { ...headers, "Transfer-Encoding": "chunked" } },
      stream,
    );
    expect([declared.status, chunked.status]).toEqual([413, 413]);
    expect(sent).toBeLessThan(2_000_000);
  },
);

test("an API token of scope push reports for the registered machine that the report names, and no other token does", async () => {
  start();
  await hub.enrolled("gpu7");
  const secret = hub.token("logger", "push");
  expect((await hub.report(secret, { hostname: "gpu7", cpuUsagePct: 5 })).status).toBe(200);
  expect(hub.live.host("gpu7")?.info?.cpu?.busy).toBe(5);
  expect(await hub.report(secret, { hostname: "gpu\u202e8" })).toMatchObject({
    status: 400,
    body: { error: 'No machine with the host name "gpu8" is registered.' },
  });
  expect(await hub.config(secret)).toMatchObject({ status: 400, body: { error: expect.any(String) } });
  for (const scope of ["enroll", "read", "admin"] as const) {
    expect((await hub.report(hub.token(scope, scope), { hostname: "gpu7" })).status).toBe(403);
  }
});

test("a host whose name is changed and whose configuration was never saved is configured to report everything", async () => {
  start();
  const token = await hub.enrolled("gpu7");
  const by = { kind: "administrator", name: "alice", origin: "" } as const;
  hub.desk.do(by, {
    ...{ name: "node.change", needs: "admin", target: "gpu7" },
    write: (book) => void book.changeHost("gpu7", { shown: "front" }),
  });
  expect((await hub.config(token)).body).toEqual({});
  expect((await hub.report(token)).body).toEqual({ ok: true, configVersion: 0 });
});

test("the examples of the interface's description are taken", async () => {
  start();
  const [registration] = getExamples(pushRoutes.register.takes["application/json"]);
  const [report] = getExamples(pushRoutes.report.takes["application/json"]);
  const { status, body } = await hub.post("register", registration);
  expect([status, hub.node("gpu7").capabilities.gpus.length]).toEqual([200, 1]);
  expect((await hub.post("report", report, { token: String(body.token) })).status).toBe(200);
  expect(hub.live.host("gpu7")?.info).toMatchObject({ gpus: [{ temp: 61, power: 388_000 }], system: { load5: 1 } });
});

/** Each case is a whole request. */
const slow = { timeout: 30 * cases.numRuns };

test(
  "any body at any route is answered with JSON and a status of the interface, and the hub goes on",
  slow,
  async () => {
    start({ register: "open" });
    const token = await hub.enrolled("gpu7");
    // Few names that can be registered: each is a write to the disk, and is refused from then on.
    const hostname = fc.oneof(
      { weight: 8, arbitrary: fc.string({ unit: "binary" }) },
      { weight: 4, arbitrary: fc.constantFrom("gpu7", "gpu8", "GPU 9 (lab)", "机器", "..", "=1") },
      { weight: 1, arbitrary: fc.string() },
    );
    const body = fc.oneof(
      fc.json(),
      fc.string({ unit: "binary" }),
      fc.record({ hostname, capabilities: fc.object(), secret: fc.string() }).map((one) => JSON.stringify(one)),
      fc
        .record({ hostname, gpus: fc.array(fc.object()), nics: fc.array(fc.object()) })
        .map((one) => JSON.stringify(one)),
    );
    const type = fc.constantFrom("application/json", "application/x-protobuf", "text/plain");
    await fc.assert(
      fc.asyncProperty(fc.constantFrom("register", "report"), body, type, async (last, text, contentType) => {
        const headers = { "Content-Type": contentType };
        const { status, body: answer } = await hub.ask("POST", last, { token, headers }, Buffer.from(text));
        expect([200, 400, 409, 415]).toContain(status);
        expect(typeof answer.error).toBe(status === 200 ? "undefined" : "string");
        hub.now += 1000;
      }),
      cases,
    );
    await hub.settle();
    expect((await hub.report(token)).status).toBe(200);
    expect(hub.log.lines.filter((line) => line.includes("failed"))).toEqual([]);
  },
);
