import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Receiver } from "../../../test/receiver.ts";

const second = 1000;
const hour = 3_600_000;
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
describe("who may send", () => {
  const from = async (address: string, sending: object = {}) =>
    (await hub.records(hub.tick(0, 1), { from: address, ...sending })).body.error_code ?? "taken";

  test("by default clients at loopback and private addresses, by the address of the connection alone", async () => {
    for (const near of [
      "127.0.0.1",
      "::1",
      "10.1.2.3",
      "172.31.0.1",
      "192.168.7.7",
      "169.254.1.1",
      "fd12::1",
      "fe80::1",
    ]) {
      expect([near, await from(near)]).toEqual([near, "taken"]);
    }
    const headers = { "X-Forwarded-For": "10.0.0.5" };
    for (const far of ["203.0.113.5", "100.64.0.1", "172.32.0.1", "2001:db8::1", ""]) {
      expect([far, await from(far), await from(far, { headers })]).toEqual([far, "SENDER_REFUSED", "SENDER_REFUSED"]);
    }
    expect(hub.refusals.list().map(({ address, counts }) => [address, counts[0]?.reason])).toContainEqual([
      "203.0.113.5",
      "sender",
    ]);
  });

  test("behind a proxy only whom the proxy names as near, too", async () => {
    const at = (address: string) => from("127.0.0.1", { headers: { "X-Forwarded-For": `10.9.9.9, ${address}` } });
    expect([await at("10.0.0.9"), await at("203.0.113.5"), await at("junk")]).toEqual([
      "taken",
      "SENDER_REFUSED",
      "SENDER_REFUSED",
    ]);
  });

  test('with "token" who has one of scope push, from anywhere; with "off" nobody', async () => {
    await start({ register: "open" }, { senders: "token" });
    expect([await from("10.0.0.5"), await from("203.0.113.5", { token: hub.token("relay", "push") })]).toEqual([
      "SIGN_IN_NEEDED",
      "taken",
    ]);
    expect(await from("10.0.0.5", { token: hub.token("reader", "read") })).toBe("SIGN_IN_NEEDED");
    expect(await from("10.0.0.5", { token: "wrong" })).toBe("SIGN_IN_NEEDED");
    await start({ register: "open" }, { senders: "off" });
    expect([await from("127.0.0.1"), await from("127.0.0.1", { token: hub.token("relay", "push") })]).toEqual([
      "SENDER_REFUSED",
      "SENDER_REFUSED",
    ]);
  });

  test("a token that ends while records are on their way takes no more of them", async () => {
    await start({ register: "open" }, { senders: "token" });
    const token = hub.token("relay", "push", hub.now + second);
    const records = Array.from({ length: 6000 }, (_, i) => hub.tick((6000 - i) * second, 1)).flat();
    const pieces = [records.slice(0, 3000), records.slice(3000)].map((some) => JSON.stringify(some));
    const text = `${pieces[0]?.slice(0, -1)},`;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from(text)),
      pull(controller) {
        hub.now += 2 * second;
        controller.enqueue(Buffer.from(pieces[1]?.slice(1) ?? ""));
        controller.close();
      },
    });
    const { status } = await hub.ask("POST", "/api/receive-data", { token }, body);
    expect(status).toBe(401);
    expect(kept().length).toBeLessThan(6000);
  });

  test("a machine's own token is for its own name", async () => {
    const token = await hub.enrolled("lab1", {}, { from: "203.0.113.9" });
    expect(await from("203.0.113.5", { token })).toBe("taken");
    const other = hub.tick(0, 1, { client_name: "lab2" });
    expect((await hub.records(other, { from: "203.0.113.5", token })).body.error_code).toBe("SENDER_REFUSED");
    expect(hub.book.node("lab2")).toBeUndefined();
  });

  test.each([
    // push.register, push.secret, scope of a token, status, state
    ["open", "", undefined, 200, "approved"],
    ["approval", "", undefined, 200, "waiting"],
    ["approval", "", "push", 200, "approved"],
    ["approval", "", "enroll", 200, "approved"],
    ["secret", "", undefined, 403, undefined],
    ["secret", "s", "push", 200, "approved"],
    ["secret", "", "enroll", 200, "approved"],
    ["open", "s", undefined, 403, undefined],
  ] as const)("push.register %s, push.secret %j, token %s: %d, %s", async (register, secret, scope, status, state) => {
    await start({ register, secret });
    const token = scope && hub.token("t", scope);
    const answer = await hub.records(hub.tick(0, 1), { token });
    expect([answer.status, hub.book.node("lab1")?.state]).toEqual([status, state]);
    if (status === 403) expect(answer.body.detail).toContain("push.register");
  });

  test("a client that waits is kept and not counted, and leaves nothing when it is rejected, for a day", async () => {
    await start({});
    await hub.records(hub.tick(0, 1));
    expect(hub.live.host("lab1")?.profile?.waiting).toBe(true);
    expect(kept()).toHaveLength(1);
    hub.remove("lab1");
    hub.samples.length = 0;
    expect(hub.live.host("lab1")).toBeUndefined();
    expect(await from("10.0.0.5")).toBe("SENDER_REFUSED");
    await hub.pass(25 * hour);
    expect(await from("10.0.0.5")).toBe("taken");
    hub.approve("lab1");
    hub.remove("lab1");
    hub.samples.length = 0;
    expect(await from("10.0.0.5")).toBe("taken");
  });

  test("a client that waits under a name of which history has samples is shown, and keeps its records until it is approved", async () => {
    await start({});
    hub.ingest.imported("lab1", hub.sampled(40 * 24 * hour, { gpus: [{ id: 0, utilization: 7 }] }));
    const before = hub.tick(15 * second, 2);
    const detail = expect.stringMatching(
      /^The hub knows the name "lab1" already, from an import or .* approves it: send/,
    );
    expect(await hub.records(before)).toMatchObject({ status: 503, body: { error_code: "APPROVAL_NEEDED", detail } });
    expect(hub.live.host("lab1")?.profile?.waiting).toBe(true);
    expect(kept()).toHaveLength(1);
    // It comes again, with what was measured meanwhile and with records of another client, which are kept.
    await hub.pass(5 * second);
    const all = [...before, ...hub.tick(5 * second, 2), ...hub.tick(0, 1, { client_name: "lab2" })];
    expect((await hub.records(all)).status).toBe(503);
    expect([kept().length, kept("lab2").length]).toEqual([1, 1]);
    hub.approve("lab1");
    const { status, body } = await hub.records(all);
    expect([status, body.received_count]).toEqual([200, 5]);
    const [, first, newest] = kept().map(([at]) => at);
    expect([first, newest]).toEqual([-20 * second, -5 * second]);
  });

  test("a flood of names ends at the limits of registration, within a request and over requests", async () => {
    await start({});
    const flood = Array.from({ length: 300 }, (_, i) => hub.tick(0, 1, { client_name: `n${i}` })).flat();
    const { status, body } = await hub.records(flood);
    expect([status, body.received_count, body.failed_count]).toEqual([200, 16, 284]);
    expect(hub.book.nodes()).toHaveLength(16);
    expect((await hub.records(hub.tick(0, 1, { client_name: "late" }))).body.error_code).toBe("TOO_MANY_NODES");
    // Those that are there go on.
    expect((await hub.records(hub.tick(0, 1, { client_name: "n1" }))).status).toBe(200);
  });
});

describe("whose name it is", () => {
  const polled = { servers: { gpu1: "10.0.0.1:9203" } };
  const gpu1 = (more: object = {}) => hub.tick(0, 1, { client_name: "gpu1", ...more });
  const poll = { input: "poll", origin: "settings" } as const;

  test("a polled host's client at the address of that host speaks for it, while the poll does not hear from it", async () => {
    await start({}, polled);
    hub.ingest.claim("gpu1", poll, "10.0.0.1:9203");
    expect((await hub.records(gpu1(), { from: "10.0.0.1" })).status).toBe(200);
    expect([hub.book.nodes(), kept("gpu1")]).toEqual([[], [[0, { "gpu #0": 50 }]]]);
    hub.now += 5 * second;
    const uuid = "GPU-8f0c";
    const info = hub.sampled(0, { hostname: "gpu1", gpus: [{ id: 0, uuid, name: "NVIDIA A100", utilization: 9 }] });
    hub.ingest.received("gpu1", info, poll, "10.0.0.1");
    hub.now += 5 * second;
    await hub.records(gpu1(), { from: "10.0.0.1" });
    expect(kept("gpu1").map(([at]) => at)).toEqual([-10 * second, -5 * second]);
    // Its records fill an outage of the poll: the same card, by its index.
    hub.ingest.failed("gpu1", "gone", poll);
    hub.now += 5 * second;
    await hub.records(gpu1(), { from: "10.0.0.1" });
    expect(kept("gpu1").at(-1)).toEqual([0, { [`gpu ${uuid}`]: 50 }]);
    expect(hub.live.host("gpu1")?.info?.gpus.map((gpu) => [gpu.id, gpu.uuid])).toEqual([[0, uuid]]);
  });

  test("from elsewhere it is a client that waits, which gets nothing of the host, and does not keep the host's own out", async () => {
    await start({}, polled);
    hub.ingest.claim("gpu1", poll, "10.0.0.1:9203");
    expect((await hub.records(gpu1(), { from: "10.0.0.66" })).body.error_code).toBe("APPROVAL_NEEDED");
    expect([hub.node("gpu1").state, kept("gpu1"), hub.live.host("gpu1")?.info]).toEqual(["waiting", [], undefined]);
    await hub.records(gpu1(), { from: "10.0.0.1" });
    expect(kept("gpu1")).toHaveLength(1);
  });

  test("a machine with a token keeps its name: its client is taken from its own address alone", async () => {
    const token = await hub.enrolled("lab1", {}, { from: "10.0.0.7" });
    const refused = await hub.records(hub.tick(0, 1), { from: "10.0.0.8" });
    expect([refused.status, refused.body.error_code]).toEqual([403, "SENDER_REFUSED"]);
    expect(hub.troubles.of("lab1").join()).toContain("A client of the logger at 10.0.0.8 sends records under the name");
    expect((await hub.records(hub.tick(0, 1), { from: "10.0.0.7" })).status).toBe(200);
    expect(kept()).toHaveLength(1);
    // Its own reports have precedence.
    hub.now += 5 * second;
    await hub.report(token, { hostname: "lab1", gpus: [{ index: 0, utilizationPct: 7 }] }, { from: "10.0.0.7" });
    hub.now += 5 * second;
    await hub.records(hub.tick(0, 1), { from: "10.0.0.7" });
    expect(kept().map(([, values]) => values["gpu #0"])).toEqual([50, 7]);
  });

  test("a machine that registers later has precedence, too", async () => {
    await start({}, polled);
    await hub.records(gpu1(), { from: "10.0.0.1" });
    const token = await hub.enrolled("gpu1", { secret: hub.enrolment("lab") }, { from: "10.0.0.2" });
    hub.now += 5 * second;
    await hub.report(token, { hostname: "gpu1", gpus: [{ index: 0, utilizationPct: 7 }] }, { from: "10.0.0.2" });
    hub.now += 5 * second;
    await hub.records(gpu1(), { from: "10.0.0.1" });
    expect(kept("gpu1").map(([, values]) => values["gpu #0"])).toEqual([50, 7]);
  });

  test("an address that several machines have is nobody's", async () => {
    await hub.enrolled("lab1", {}, { from: "10.0.0.7" });
    await hub.enrolled("lab2", {}, { from: "10.0.0.7" });
    expect((await hub.records(hub.tick(0, 1), { from: "10.0.0.7" })).status).toBe(403);
  });

  test("a client's name is taken for machines that register, until it is reset; then it is the same host", async () => {
    await hub.records(hub.tick(5 * second, 1), { from: "10.0.0.7" });
    expect((await hub.register("lab1")).status).toBe(409);
    hub.reset("lab1");
    // The client goes on meanwhile.
    expect((await hub.records(hub.tick(4 * second, 1), { from: "10.0.0.7" })).status).toBe(200);
    const token = await hub.enrolled("lab1", {}, { from: "10.0.0.7" });
    expect(hub.node("lab1")).toMatchObject({ way: "portal", state: "approved", reset: false });
    await hub.report(token, { hostname: "lab1", gpus: [{ index: 0, utilizationPct: 7 }] }, { from: "10.0.0.7" });
    expect(kept().map(([, values]) => values["gpu #0"])).toEqual([50, 50, 7]);
    expect((await hub.records(hub.tick(0, 1), { from: "10.0.0.9" })).status).toBe(403);
    expect((await hub.register("lab1")).status).toBe(409);
  });

  test("two addresses by turns are shown", async () => {
    for (const address of ["10.0.0.7", "10.0.0.8", "10.0.0.7"]) {
      hub.now += 5 * second;
      await hub.records(hub.tick(0, 1), { from: address });
    }
    expect(hub.troubles.of("lab1").join()).toContain("come from 10.0.0.7 and 10.0.0.8 by turns");
  });
});
