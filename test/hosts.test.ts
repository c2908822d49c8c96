// A whole hub whose hosts come from its settings, its book and a push: one host per machine, one name per host.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { everything, type HostChange } from "../hub/book/book.ts";
import { systemClock } from "../hub/clock.ts";
import type { Desk } from "../hub/desk.ts";
import { type Hub, start } from "../hub/hub.ts";
import type { Ingest, Owner } from "../hub/ingest.ts";
import type { Input } from "../hub/input/input.ts";
import { poll } from "../hub/input/poll.ts";
import { silent } from "../hub/log.ts";
import { parts as installed, listed, type Parts } from "../hub/parts.ts";
import { settle } from "../hub/settings.ts";
import type { Task } from "../hub/task/task.ts";
import { type HostInfo, HostInfoSchema, SystemInfoSchema } from "../proto/gen/host_pb.js";
import { machine, type PlayedHost, playHost } from "./host.ts";

const push: Owner = { input: "portal", origin: "push" };

let folder: string;
let hub: Hub;
let host: PlayedHost;
let ingest: Ingest;
let desk: Pick<Desk, "do">;

function boot(bootId: string): HostInfo {
  const info = create(HostInfoSchema, machine(Date.now()));
  info.system = create(SystemInfoSchema, { bootId, uptime: 600n, load1: 1 });
  return info;
}

const pushing: Input = {
  name: "pushing",
  table: {},
  open(context) {
    ingest = context.ingest;
    return { change: () => {}, close: () => {} };
  },
};

const clerk: Task = {
  name: "clerk",
  table: {},
  async open(context) {
    desk = context.desk;
    return { change: () => {}, close: () => {} };
  },
};

const parts: Parts = { ...installed, inputs: [poll, pushing], tasks: [clerk] };

const settings = (servers: object) =>
  settle(
    { flags: { data: folder, "hub-addr": "127.0.0.1:0", "history-addr": "127.0.0.1:0" }, env: {} },
    () => JSON.stringify({ servers, poll: { interval: 1 } }),
    listed(parts),
  );

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-hosts-"));
  host = await playHost(() => boot("A"));
  hub = await start(
    {
      settings: settings({ gpu1: { address: host.address, labels: { rack: "b2" } } }),
      clock: systemClock,
      random: () => 0,
      log: silent,
      version: "1",
      web: folder,
    },
    parts,
  );
});

afterEach(async () => {
  await hub.close();
  host.close();
  rmSync(folder, { recursive: true });
});

const change = (name: string, change: HostChange): void =>
  desk.do(
    { kind: "owner", origin: "test" },
    { name: "node.change", needs: "owner", target: name, write: (book) => void book.changeHost(name, change) },
  );

const hostOfNode = (): string | undefined =>
  desk.do(
    { kind: "owner", origin: "test" },
    { name: "node.change", needs: "owner", target: "node", write: (book) => book.node("node-7")?.host },
  );

const read = async (path: string) => (await fetch(`http://127.0.0.1:${hub.port}${path}`)).json();

test("an administrator's changes take effect at once: name, labels, devices, and a host to poll", async () => {
  await vi.waitFor(() => expect(hub.live.host("gpu1")?.info?.gpus).toHaveLength(2));
  change("gpu1", { shown: "Blue", labels: { owner: "ada" }, config: { ...everything, gpuIndices: [1] } });
  expect(hub.live.host("gpu1")).toMatchObject({
    profile: { shown: "Blue", labels: { owner: "ada", rack: "b2" } },
    info: { gpus: [{ id: 1 }] },
  });
  expect(await read("/api/history?host=Blue&metric=load1")).toMatchObject({
    host: "gpu1",
    series: [{ level: "host" }],
  });
  expect(await read("/feed/host?name=nobody")).toEqual({
    error: { code: "host_unknown", message: 'There is no host "nobody".' },
  });
  change("gpu2", { address: host.address });
  await vi.waitFor(() => expect(hub.live.host("gpu2")).toMatchObject({ link: { state: "open" } }));
  expect(hub.live.host("gpu2")?.info?.gpus).toHaveLength(2);
});

test("a machine that is polled and reports by itself is one host, once it is approved", async () => {
  await vi.waitFor(() => expect(hub.live.host("gpu1")?.info).toBeDefined());
  const registered = { registered: 0, origin: "127.0.0.1", capabilities: { gpus: [], disks: [], nics: [] } };
  const { id } = desk.do(
    { kind: "owner", origin: "test" },
    {
      name: "node.register",
      needs: "owner",
      target: "node-7",
      write: (book) =>
        book.addNode({ hostname: "node-7", host: "node-7", state: "waiting", ...registered }, new Uint8Array(32)),
    },
  );
  ingest.claim("node-7", push, "127.0.0.1");
  ingest.received("node-7", boot("A"), push);
  expect(hub.live.host("node-7")?.profile).toEqual({ waiting: true });
  desk.do(
    { kind: "owner", origin: "test" },
    {
      name: "node.approve",
      needs: "owner",
      target: "node-7",
      write: (book) => book.changeNode(id, { state: "approved" }),
    },
  );
  await vi.waitFor(() => expect(hostOfNode()).toBe("gpu1"));
});

test("a host that is gone from the settings and still in the book goes on as the book says", async () => {
  await vi.waitFor(() => expect(hub.live.host("gpu1")?.info).toBeDefined());
  const other = await playHost(() => boot("B"));
  try {
    change("gpu1", { address: other.address, group: "lab" });
    expect(hub.live.host("gpu1")).toMatchObject({ address: host.address, info: { system: { bootId: "A" } } });
    hub.change(settings({}));
    await vi.waitFor(() => expect(hub.live.host("gpu1")?.info?.system?.bootId).toBe("B"));
    expect(hub.live.host("gpu1")).toMatchObject({ address: other.address, profile: { group: "lab" } });
  } finally {
    other.close();
  }
});
