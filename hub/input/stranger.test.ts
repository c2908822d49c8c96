// What a machine that nobody has approved can do to others.
import { create } from "@bufbuild/protobuf";
import { afterEach, expect, test } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { Receiver } from "../../test/receiver.ts";
import type { Owner } from "../ingest.ts";

let hub: Receiver;

afterEach(() => hub.close());

const poll: Owner = { input: "poll", origin: "book" };
const address = "10.0.0.1:9203";

/** A host that is polled, and is silent. */
function polled(name: string): void {
  hub.book.write((book) => void book.changeHost(name, { address }));
  hub.ingest.claim(name, poll, address);
}

const join = (hostname: string, host: string): void =>
  hub.book.write((book) => book.changeNode(hub.node(hostname).id, { host }));

const busyOf = (host: string) => hub.live.host(host)?.info?.cpu?.busy;

/** A report of which something comes when `send` is called. */
function slow(token: string, from: string, length?: number) {
  let send = (): void => {};
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await new Promise<void>((resolve) => {
          send = resolve;
        });
        controller.enqueue(Buffer.from('{"hostname":"h","cpuUsagePct":77}'));
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const headers = {
    "Content-Type": "application/json",
    ...(length === undefined ? { "Transfer-Encoding": "chunked" } : { "Content-Length": `${length}` }),
  };
  return { answer: hub.ask("POST", "report", { token, from, headers }, body), send: () => send() };
}

test("the name of a host that another machine was recognized as cannot be registered", async () => {
  hub = new Receiver();
  await hub.enrolled("gpu1.lan");
  hub.approve("gpu1.lan");
  polled("gpu1");
  join("gpu1.lan", "gpu1");
  expect(await hub.register("gpu1", {}, { from: "10.6.6.6" })).toMatchObject({
    status: 409,
    body: { status: "already_registered" },
  });
});

test("a machine that waits under the name of a polled host gets nothing of the approved one that is this host", async () => {
  hub = new Receiver();
  const real = await hub.enrolled("gpu1.lan");
  hub.approve("gpu1.lan");
  polled("gpu1");
  const stranger = await hub.enrolled("gpu1", {}, { from: "10.6.6.6" });
  join("gpu1.lan", "gpu1");
  expect((await hub.report(real, { cpuUsagePct: 11 })).status).toBe(200);
  expect((await hub.report(stranger, { cpuUsagePct: 99 }, { from: "10.6.6.6" })).status).toBe(200);
  expect(busyOf("gpu1")).toBe(11);
  expect(hub.samples).toHaveLength(1);
  // Its silence is not that of the host, and its end costs the other one nothing.
  for (let i = 0; i < 10; i++) {
    await hub.pass(4000);
    expect((await hub.report(real, { cpuUsagePct: 12 + i })).status).toBe(200);
  }
  expect(hub.live.host("gpu1")?.link.state).toBe("open");
  hub.remove("gpu1");
  expect((await hub.report(real, { cpuUsagePct: 30 })).status).toBe(200);
  expect(busyOf("gpu1")).toBe(30);
});

test("what a machine reported that waits is not that of a host which is added under its name", async () => {
  hub = new Receiver();
  const stranger = await hub.enrolled("gpu1", {}, { from: "10.6.6.6" });
  expect((await hub.report(stranger, { cpuUsagePct: 99 }, { from: "10.6.6.6" })).status).toBe(200);
  expect(busyOf("gpu1")).toBe(99);
  polled("gpu1");
  expect(hub.live.host("gpu1")).toMatchObject({ address, link: { state: "idle" } });
  expect(busyOf("gpu1")).toBeUndefined();
  hub.ingest.failed("gpu1", "connection refused", poll);
  expect(hub.live.host("gpu1")?.link).toMatchObject({ state: "waiting", reason: "connection refused" });
});

test("a machine that lost its approval does not make its host seem to be up", async () => {
  hub = new Receiver();
  const token = await hub.enrolled("gpu1");
  hub.approve("gpu1");
  polled("gpu1");
  hub.ingest.failed("gpu1", "connection refused", poll);
  expect((await hub.report(token, { cpuUsagePct: 5 })).status).toBe(200);
  expect(hub.live.host("gpu1")?.link.state).toBe("open");
  // As a backup of an earlier time has it.
  hub.book.write((book) => book.changeNode(hub.node("gpu1").id, { state: "waiting" }));
  expect((await hub.report(token, { cpuUsagePct: 99 })).status).toBe(200);
  expect(busyOf("gpu1")).toBe(5);
  hub.ingest.failed("gpu1", "connection refused", poll);
  expect(hub.live.host("gpu1")?.link).toMatchObject({ state: "waiting", reason: "connection refused" });
});

test("the time in which a machine was heard that waits takes no stored sample from the approved one of that host", async () => {
  hub = new Receiver();
  const stranger = await hub.enrolled("gpu1", {}, { from: "10.6.6.6" });
  const real = await hub.enrolled("gpu1.lan");
  hub.approve("gpu1.lan");
  for (let i = 0; i < 20; i++) {
    expect((await hub.report(stranger, { cpuUsagePct: 99 }, { from: "10.6.6.6" })).status).toBe(200);
    await hub.pass(5000);
  }
  polled("gpu1");
  join("gpu1.lan", "gpu1");
  const before = hub.samples.length;
  expect((await hub.sample(real, hub.sampled(60_000, { cpu: { busy: 11 } }))).status).toBe(200);
  expect(hub.samples.slice(before)).toMatchObject([{ host: "gpu1" }]);
});

test("of two approved machines of one host, one can be given its own host back", async () => {
  hub = new Receiver();
  const one = await hub.enrolled("gpu1");
  const other = await hub.enrolled("gpu1.lan");
  for (const hostname of ["gpu1", "gpu1.lan"]) hub.approve(hostname);
  join("gpu1.lan", "gpu1");
  join("gpu1.lan", "gpu1.lan");
  expect((await hub.report(one, { cpuUsagePct: 1 })).status).toBe(200);
  expect((await hub.report(other, { cpuUsagePct: 2 })).status).toBe(200);
  expect([busyOf("gpu1"), busyOf("gpu1.lan")]).toEqual([1, 2]);
});

test.each(["remove", "reset"] as const)("a report that is on the way is not taken after %s", async (end) => {
  hub = new Receiver();
  const token = await hub.enrolled("gpu7");
  hub.approve("gpu7");
  const { answer, send } = slow(token, "10.0.0.66");
  await hub.settle();
  hub[end]("gpu7");
  send();
  expect((await answer).status).toBe(401);
  expect(hub.samples).toEqual([]);
  await hub.pass(100_000);
  expect(hub.live.hosts().map(({ name }) => name)).toEqual(end === "remove" ? [] : ["gpu7"]);
});

test("bodies that never come, of many machines that wait, keep no approved one from reporting", async () => {
  hub = new Receiver();
  const token = await hub.enrolled("gpu7");
  hub.approve("gpu7");
  const held: ReturnType<typeof slow>[] = [];
  for (let net = 0; net < 8; net++) {
    for (let i = 0; i < 16; i++) {
      const from = `10.6.6.${net}`;
      held.push(slow(await hub.enrolled(`bad${net}-${i}`, {}, { from }), from, 1_048_576));
      await hub.pass(100);
    }
  }
  const report = { "Content-Length": "32" };
  expect((await hub.report(token, { cpuUsagePct: 5 }, { headers: report })).status).toBe(200);
  // Another one that waits, at an address of its own, is heard unless all of them send nothing.
  for (const { send } of held) send();
  const statuses = await Promise.all(held.map(async ({ answer }) => (await answer).status));
  expect(new Set(statuses)).toEqual(new Set([200, 503]));
});

test("stored samples of machines that wait for approval use up nothing of the rate of the others'", async () => {
  hub = new Receiver();
  const stored = (agoMs: number) =>
    create(HostInfoSchema, { hostname: "h", sampled: BigInt(hub.now - agoMs), cpu: { busy: 1 } });
  const token = await hub.enrolled("gpu7");
  hub.approve("gpu7");
  expect((await hub.sample(token, stored(3_600_000))).status).toBe(200);
  for (let bad = 0; bad < 4; bad++) {
    const own = await hub.enrolled(`bad${bad}`, {}, { from: "10.6.6.6" });
    for (let i = 0; i < 250; i++) {
      void hub.sample(own, stored(3_600_000 + i), { from: "10.6.6.6" });
      await hub.settle();
    }
  }
  let status = 0;
  void hub.sample(token, stored(3_500_000)).then((answer) => {
    status = answer.status;
  });
  await hub.settle();
  // Without a wait.
  expect(status).toBe(200);
  await hub.pass(5000);
});

/** Ages of the samples of a host in history, in milliseconds. */
const kept = (host: string) => hub.samples.filter((one) => one.host === host).map(({ at }) => hub.now - at);

test("samples of a machine that waits are not added to those of a host that is gone, current or late, until it is approved", async () => {
  hub = new Receiver();
  const gone = await hub.enrolled("gpu1");
  hub.approve("gpu1");
  await hub.report(gone, { cpuUsagePct: 5 });
  hub.remove("gpu1");
  await hub.pass(3_600_000);
  const stranger = await hub.enrolled("gpu1", {}, { from: "10.6.6.6" });
  expect(hub.node("gpu1").history).toBe(hub.now - 3_600_000);
  expect((await hub.report(stranger, { cpuUsagePct: 99 })).status).toBe(200);
  expect((await hub.sample(stranger, hub.sampled(1_800_000))).status).toBe(200);
  // An administrator sees it as it is, and what is there.
  expect([busyOf("gpu1"), kept("gpu1")]).toEqual([99, [3_600_000]]);
  hub.approve("gpu1");
  expect((await hub.report(stranger, { cpuUsagePct: 98 })).status).toBe(200);
  expect((await hub.sample(stranger, hub.sampled(1_700_000))).status).toBe(200);
  expect(kept("gpu1")).toEqual([3_600_000, 0, 1_700_000]);
});

test("what machines sent that nobody approved is deleted with them after seven days, and nothing else", async () => {
  hub = new Receiver();
  const gone = await hub.enrolled("gone");
  hub.approve("gone");
  await hub.report(gone, { cpuUsagePct: 5 });
  hub.remove("gone");
  for (const name of ["gone", "stranger", "polled", "was polled"]) {
    const token = await hub.enrolled(name, {}, { from: "10.6.6.6" });
    await hub.report(token, { cpuUsagePct: 99 });
  }
  for (const name of ["polled", "was polled"]) {
    polled(name);
    await hub.pass(2000);
    hub.ingest.received(name, create(HostInfoSchema, { agentVersion: "1", cpu: { busy: 7 } }), poll);
  }
  hub.book.write((book) => book.removeHost("was polled"));
  hub.ingest.release("was polled", poll);
  await hub.pass(7 * 86_400_000 + 7_200_000);
  expect(hub.book.nodes()).toEqual([]);
  expect(hub.samples.map(({ host }) => host)).toEqual(["gone", "polled", "was polled", "polled", "was polled"]);
  const entries = hub.book.audit({ limit: 10, action: "node.expire" });
  expect(Object.fromEntries(entries.map(({ target, details }) => [target, details.history]))).toEqual({
    gone: false,
    stranger: true,
    polled: false,
    "was polled": false,
  });
});

test("who registers under the name of a host that is polled, and was never heard, has no history to take along", async () => {
  hub = new Receiver();
  polled("gpu1");
  await hub.enrolled("gpu1", {}, { from: "10.6.6.6" });
  expect(hub.node("gpu1").history).toBe(hub.now);
});
