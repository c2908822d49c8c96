// What hosts can do to a hub: each fault costs the host that has it, and nobody else.
import { createServer as createHttp } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { everything } from "../../hub/book/book.ts";
import { systemClock } from "../../hub/clock.ts";
import type { HostSample } from "../../hub/history/store.ts";
import { Ingest } from "../../hub/ingest.ts";
import type { RunningInput } from "../../hub/input/input.ts";
import { poll } from "../../hub/input/poll.ts";
import { Live } from "../../hub/live.ts";
import { silent } from "../../hub/log.ts";
import type { ServerList } from "../../hub/servers.ts";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { namesOf } from "../model.ts";
import { RosterFixture } from "../roster.ts";
import { inputContext } from "../view.ts";

let live: Live;
let polls: HostSample[];
let polling: RunningInput | undefined;
let settings: Parameters<typeof poll.open>[1];
let list: ServerList;
let scene: RosterFixture;
const closers: (() => void)[] = [];

beforeEach(() => {
  live = new Live(systemClock.now);
  polls = [];
  settings = { interval: 1, deadline: 0.3, concurrency: 16, token: "", ca: "", cert: "", key: "" };
});

afterEach(() => {
  polling?.close();
  for (const close of closers.splice(0)) close();
});

function watch(servers: Record<string, string>): void {
  scene = new RosterFixture(servers);
  list = scene.servers;
  const ingest = new Ingest({
    live,
    history: { append: (one) => polls.push(structuredClone(one)), rename: () => false },
    now: systemClock.now,
    directory: scene.roster,
  });
  const { roster } = scene;
  const context = { ...inputContext, ingest, roster, clock: systemClock, random: () => 0, log: silent };
  polling = poll.open(context, settings);
}

async function healthy(port = 0): Promise<PlayedHost> {
  const host = await playHost(() => machine(Date.now()), port);
  closers.push(host.close);
  return host;
}

/** A TCP server that does with connections what it is told. @returns its address */
async function tcp(each: (socket: Socket) => void, server: Server = createServer()): Promise<string> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {}); // the hub may hang up at any moment
    each(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const linkOf = (name: string) => live.host(name)?.link;
const within = { timeout: 15_000, interval: 20 };
const until = (check: () => void) => vi.waitFor(check, within);
const failing = (name: string, reason: RegExp) =>
  until(() => expect(linkOf(name)).toMatchObject({ state: "waiting", reason: expect.stringMatching(reason) }));

test("a host that answers is live, and its samples are stored", async () => {
  const host = await healthy();
  watch({ a: host.address });
  await until(() => expect(linkOf("a")?.state).toBe("open"));
  expect(live.host("a")?.info?.gpus).toHaveLength(2);
  await until(() => expect(polls.length).toBeGreaterThanOrEqual(2));
  expect(polls[0]?.devices.filter(({ key }) => key === "GPU-1").map(namesOf)).toMatchObject([{ gpu_utilization: 41 }]);
});

test("an address where nothing listens is reported by name", async () => {
  const host = await playHost(() => machine(0));
  host.close();
  watch({ a: host.address });
  await failing("a", new RegExp(`^connection refused at ${host.address}: is hmonitor running there\\?$`));
});

test("a peer that accepts and never answers is given up at the deadline, again and again, and does not delay others", async () => {
  let connections = 0;
  const mute = await tcp(() => connections++);
  const good = await healthy();
  watch({ mute, good: good.address });
  await failing("mute", /^no answer within 0\.3 s$/);
  await until(() => expect(linkOf("good")?.state).toBe("open"));
  // The watchdog dials anew after two missed deadlines: some channels never recover by themselves.
  await until(() => expect(connections).toBeGreaterThanOrEqual(2));
  expect(linkOf("good")?.state).toBe("open");
});

test("a healthy host that takes the port of a mute one is seen", async () => {
  const server = createServer();
  const address = await tcp(() => {}, server);
  watch({ a: address });
  await failing("a", /no answer/);
  for (const close of closers.splice(0)) close();
  const host = await healthy(Number(address.split(":")[1]));
  await until(() => expect(linkOf("a")?.state).toBe("open"));
  expect(host.calls()).toBeGreaterThanOrEqual(1);
});

test("an agent that closes connections at accept is recognized, with the setting to look at", async () => {
  const address = await tcp((socket) => socket.resetAndDestroy());
  watch({ a: address });
  await failing("a", /was reset: does the agent's GOHM_ALLOW name this hub's address\?/);
});

test("a web server at the address is reported as not being hmonitor", async () => {
  const http = createHttp((_request, response) => response.end("hello"));
  const address = await tcp(() => {}, http);
  watch({ a: address });
  await failing("a", new RegExp(`^what answers at ${address} does not speak gRPC$`));
});

test("a name that cannot be resolved is reported", async () => {
  settings = { ...settings, deadline: 10 };
  watch({ a: "no-such-host.invalid:9203" });
  await failing("a", /^the name in no-such-host\.invalid:9203 cannot be resolved$/);
});

test.each([
  ["garbage", () => Buffer.from("fffffffffffffffffffffffff", "hex"), /^the answer could not be read: /],
  ["a text that is no UTF-8", () => Buffer.from([0x2a, 2, 0xff, 0xfe]), /^the answer could not be read: .*UTF-?8/i],
  ["more than 1 MiB", () => Buffer.alloc(2 * 1024 * 1024), /^the answer could not be read: .*larger/],
  ["a million empty cards", () => Buffer.from("1200".repeat(500_000), "hex"), /more than 20000 elements/],
  ["an error of its own", () => new Error("the card is on fire"), /the card is on fire/],
])(
  "a host that answers %s costs only itself, and is live again with its next good answer",
  async (_what, bad, reason) => {
    const good = await healthy();
    const host = await healthy();
    host.answer(bad);
    watch({ host: host.address, good: good.address });
    await failing("host", reason);
    await until(() => expect(linkOf("good")?.state).toBe("open"));
    expect(live.host("host")?.info).toBeUndefined();
    host.answer(() => machine(Date.now()));
    await until(() => expect(linkOf("host")?.state).toBe("open"));
  },
);

test("a host that goes away is shown with the age of its last answer, and is live at once when it is back", async () => {
  const host = await healthy();
  watch({ a: host.address });
  await until(() => expect(linkOf("a")?.state).toBe("open"));
  host.close();
  await failing("a", /refused|closed|reset/);
  const gone = live.host("a");
  expect(gone?.info?.hostname).toBe("node");
  expect(gone?.seen).toBeLessThanOrEqual(gone?.link.since ?? 0);
  await healthy(host.port);
  await until(() => expect(linkOf("a")?.state).toBe("open"));
});

test("an agent of the first GOHM, which leaves zeros out, shows an idle card as 0 %", async () => {
  const host = await healthy();
  host.answer(() => ({ id: "5", gpus: [{ name: "GTX 1080", memTotal: 8n, procs: [{ username: "ada" }] }] }));
  watch({ a: host.address });
  await until(() => expect(live.host("a")?.info).toBeDefined());
  const gpu = live.host("a")?.info?.gpus[0];
  expect(gpu).toMatchObject({ id: 0, memUsed: 0n, utilization: 0, procs: [{ pid: 0, mem: 0n }] });
  expect(gpu?.temp).toBeUndefined();
  expect(polls[0]?.devices[0]).toMatchObject({ level: "gpu", key: "#0", index: 0 });
});

test("servers that are added, moved and removed while the hub runs take effect", async () => {
  const one = await healthy();
  const two = await healthy();
  two.answer(() => ({ ...machine(Date.now()), hostname: "other" }));
  watch({ a: one.address, b: one.address });
  await until(() => expect(linkOf("b")?.state).toBe("open"));
  const number = live.host("a")?.number;
  list.change({ a: two.address, c: one.address });
  expect(live.host("b")).toBeUndefined();
  expect(live.host("a")).toMatchObject({ number, address: two.address });
  expect(live.host("a")?.info).toBeUndefined();
  await until(() => expect(live.host("a")?.info?.hostname).toBe("other"));
  await until(() => expect(linkOf("c")?.state).toBe("open"));
});

test("hosts that an administrator adds are polled as those of the settings, which win, and go with their record", async () => {
  const one = await healthy();
  const two = await healthy();
  two.answer(() => ({ ...machine(Date.now()), hostname: "other" }));
  watch({ a: one.address });
  scene.write({
    hosts: [
      { name: "a", address: two.address },
      { name: "b", address: two.address, group: "lab" },
    ],
  });
  await until(() => expect(live.host("b")).toMatchObject({ link: { state: "open" }, profile: { group: "lab" } }));
  await until(() => expect(live.host("a")?.info?.hostname).toBe("node"));
  list.change({});
  await until(() => expect(live.host("a")).toMatchObject({ address: two.address, info: { hostname: "other" } }));
  scene.write({ hosts: [] });
  expect(live.hosts()).toEqual([]);
});

test("the interval of a host is its own while the others keep theirs", async () => {
  const [one, two] = [await healthy(), await healthy()];
  settings = { ...settings, interval: 3600 };
  watch({ a: one.address, b: two.address });
  await until(() => expect(linkOf("b")?.state).toBe("open"));
  scene.write({ hosts: [{ name: "a", config: { ...everything, reportIntervalSec: 1 } }] });
  await until(() => expect(one.calls()).toBeGreaterThanOrEqual(4));
  expect([two.calls(), live.host("a")?.profile]).toEqual([1, { intervalSec: 1 }]);
});

test.each(["token", "ca", "cert", "key"])(
  "a host that is taken out in the edit that changes poll.%s is gone",
  async (what) => {
    const host = await healthy();
    watch({ a: host.address, b: host.address });
    await until(() => expect(linkOf("b")?.state).toBe("open"));
    list.change({ a: host.address });
    polling?.change({ ...settings, [what]: "x" });
    expect(live.hosts().map(({ name }) => name)).toEqual(["a"]);
  },
);

test.each(["constructor", "toString", "hasOwnProperty", "__proto__"])(
  "a host called %s is forgotten when it is taken out, like any other",
  async (name) => {
    const host = await healthy();
    watch({ a: host.address });
    list.change({ [name]: host.address });
    expect(live.hosts().map((one) => one.name)).toEqual([name]);
    await until(() => expect(linkOf(name)?.state).toBe("open"));
    list.change({});
    expect(live.hosts()).toEqual([]);
  },
);

test("many dead hosts do not keep a live one waiting", async () => {
  const mute = await tcp(() => {});
  const good = await healthy();
  settings = { ...settings, concurrency: 4, deadline: 2 };
  const dead = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`dead${i}`, mute]));
  watch({ good: good.address, ...dead });
  await until(() => expect(good.calls()).toBeGreaterThanOrEqual(4));
  // 40 hosts of 2 s each at 2 places take 40 s: the live one went on in between.
  expect(live.hosts().filter(({ link }) => link.state === "idle").length).toBeGreaterThan(20);
});
