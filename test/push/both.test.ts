// Machines that are polled and push, and machines that only seem to be the same.
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { type Info, machine, type PlayedHost, playHost } from "../host.ts";
import { sampleType } from "../hostile.ts";
import { type LocalHub, localHub } from "../local.ts";

const patience = { timeout: 20_000, interval: 20 };
let hub: LocalHub;
let polled: PlayedHost;

type Init = Exclude<Info, { $typeName: string }>;

/** A machine that has run for an hour. @param bootId of its last start */
const booted = (bootId: string, more: Init = {}): Init => ({
  ...(machine(Date.now()) as Init),
  hostname: "box",
  system: { bootId, uptime: 3600n },
  ...more,
});

beforeEach(async () => {
  polled = await playHost(() => booted("one"));
  hub = await localHub({ servers: { gpu1: polled.address }, poll: { interval: 1 }, push: { register: "approval" } });
  await vi.waitFor(() => expect(hub.live.host("gpu1")?.link.state).toBe("open"), patience);
});

afterEach(async () => {
  await hub.close();
  polled.close();
});

async function register(hostname: string): Promise<string> {
  const answer = await fetch(`${hub.url}/api/monitoring/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ hostname, capabilities: {} }),
  });
  return ((await answer.json()) as { token: string }).token;
}

async function push(token: string, info: Init): Promise<number> {
  const { status } = await fetch(`${hub.url}/api/monitoring/report`, {
    method: "POST",
    headers: { "Content-Type": sampleType, Authorization: `Bearer ${token}`, Date: new Date().toUTCString() },
    body: Buffer.from(toBinary(HostInfoSchema, create(HostInfoSchema, info))),
  });
  return status;
}

const names = () => hub.live.hosts().map(({ name }) => name);
const load = () => hub.live.host("gpu1")?.info?.cpu?.busy;

test("a machine that is polled and pushes under another name is one host once it is approved; its reports count while the poll fails", async () => {
  const token = await register("box");
  expect(await push(token, booted("one"))).toBe(200);
  expect(names()).toEqual(["gpu1", "box"]);
  await hub.approve("box");
  expect(await push(token, booted("one"))).toBe(200);
  await vi.waitFor(() => expect(hub.node("box").host).toBe("gpu1"), patience);
  expect(names()).toEqual(["gpu1"]);
  expect(await push(token, booted("one", { cpu: { busy: 99 } }))).toBe(200);
  expect(load()).toBe(12.345);
  polled.close();
  await vi.waitFor(async () => {
    expect(await push(token, booted("one", { cpu: { busy: 99 } }))).toBe(200);
    expect(load()).toBe(99);
  }, patience);
  expect(hub.live.host("gpu1")?.link.state).toBe("open");
});

test("a stranger who registers under the name of a polled machine never takes its place, also while the poll fails", async () => {
  const token = await register("gpu1");
  polled.close();
  await vi.waitFor(() => expect(hub.live.host("gpu1")?.link.state).toBe("waiting"), patience);
  expect(await push(token, booted("two", { cpu: { busy: 99 } }))).toBe(200);
  expect([hub.live.host("gpu1")?.link.state, load()]).toEqual(["waiting", 12.345]);
});

test("a copy of a machine that reports with its token is shown to administrators, and neither takes the other's place", async () => {
  const token = await register("lab");
  await hub.approve("lab");
  expect(await push(token, booted("aaaa", { cpu: { busy: 1 } }))).toBe(200);
  expect(await push(token, booted("bbbb", { cpu: { busy: 2 } }))).toBe(200);
  expect(await push(token, booted("aaaa", { cpu: { busy: 3 } }))).toBe(200);
  expect(hub.live.host("lab")?.info?.cpu?.busy).toBe(3);
  expect(hub.view.troubles.of("lab")).toEqual([expect.stringMatching(/^Two machines .*aaaa.*bbbb/)]);
  // After a restart it is the same machine.
  expect(await push(token, booted("cccc", { cpu: { busy: 4 }, system: { bootId: "cccc", uptime: 0n } }))).toBe(200);
  expect(hub.live.host("lab")?.info?.cpu?.busy).toBe(4);
});

test("a rejected machine leaves nothing in history; one under the name of a host that is gone leaves that host's as it was", async () => {
  const metric = "cpu_utilization";
  const kept = async (): Promise<Record<string, number[]>> => {
    const answer = await fetch(`${hub.url}/api/fleet/history?metric=${metric}&by=host`);
    const { groups } = (await answer.json()) as { groups: { name: string; max: number[] }[] };
    return Object.fromEntries(groups.flatMap(({ name, max }) => (name === "gpu1" ? [] : [[name, max]])));
  };
  const gone = await register("lab");
  await hub.approve("lab");
  expect(await push(gone, booted("aaaa", { cpu: { busy: 1 } }))).toBe(200);
  await hub.remove("lab");
  const before = await kept();
  expect(before).toEqual({ lab: [1] });
  for (const name of ["lab", "stranger"]) {
    expect(await push(await register(name), booted(name, { cpu: { busy: 99 } }))).toBe(200);
    expect(hub.live.host(name)?.info?.cpu?.busy).toBe(99);
  }
  expect(hub.node("lab").history).toBeGreaterThan(0);
  for (const name of ["lab", "stranger"]) await hub.remove(name);
  expect(await hub.view.history.known({ host: "stranger" })).toEqual([]);
  expect(await kept()).toEqual(before);
});
