// The real hub program with real hosts on loopback.
import { rmSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { fromBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Link } from "../../proto/gen/feed_pb.js";
import { HistMapSchema } from "../../proto/gen/history_pb.js";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { getHistory, type HubFolder, hubFolder, type RunningHub, startHub, type Viewer, view } from "../hub.ts";

let at: HubFolder;
let host: PlayedHost;
const hubs: RunningHub[] = [];
const viewers: Viewer[] = [];
const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 20_000, interval: 50 });

beforeEach(async () => {
  at = hubFolder();
  host = await playHost(() => machine(Date.now()));
  at.write({ servers: { a: host.address }, poll: { interval: 1 } });
});

afterEach(async () => {
  for (const viewer of viewers.splice(0)) viewer.close();
  for (const hub of hubs.splice(0)) await hub.stop();
  host.close();
  at.remove();
});

async function hubUp(env: Record<string, string> = {}): Promise<RunningHub> {
  const hub = await startHub(at, env);
  hubs.push(hub);
  return hub;
}

function watch(hub: RunningHub): Viewer {
  const viewer = view(hub.url);
  viewers.push(viewer);
  return viewer;
}

const usage = (hub: RunningHub, id = "a_0") => getHistory(hub.history, { id, type: "gpumem" });

async function points(hub: RunningHub, least: number): Promise<readonly bigint[]> {
  return until(async () => {
    const { t, v } = await usage(hub);
    expect(t.length).toBeGreaterThanOrEqual(least);
    expect(new Set(v)).toEqual(new Set([2500n]));
    return t;
  });
}

test("a host gets from the wire to the feed within a second, first whole and then as deltas that add up", async () => {
  const hub = await hubUp();
  const viewer = watch(hub);
  await until(() => expect(viewer.hosts.get("a")?.link).toBe(Link.OPEN));
  let load = 50;
  host.answer(() => machine(Date.now(), load++));
  await until(() => expect(viewer.events.filter(({ deltas }) => deltas.length > 0).length).toBeGreaterThanOrEqual(3));
  const info = viewer.hosts.get("a")?.info;
  expect(info?.gpus[1]?.utilization).toBe((info?.gpus[0]?.utilization ?? 0) + 1);
  expect(info?.gpus[0]?.utilization).toBeGreaterThan(50);
  expect(viewer.events.slice(1).map(({ sequence }, i) => sequence - (viewer.events[i]?.sequence ?? 0n))).toEqual(
    viewer.events.slice(1).map(() => 1n),
  );
  const late = watch(hub);
  await until(() => expect(late.hosts.get("a")?.info?.gpus).toHaveLength(2));
  expect(late.events[0]?.whole).toBe(true);
});

test("a host with a group is polled at its address, and moves to another group as soon as the settings say so", async () => {
  const server = (group: string) => ({ servers: { a: { address: host.address, group } }, poll: { interval: 1 } });
  at.write(server("lab-a"));
  const hub = await hubUp();
  await points(hub, 1);
  const groups = async (): Promise<unknown> => {
    const answer = await fetch(`${hub.url}/api/fleet/history?metric=gpu_memory_used&by=group`);
    const told = (await answer.json()) as { groups: readonly { name: string | null }[] };
    return told.groups.map(({ name }) => name);
  };
  expect(await groups()).toEqual(["lab-a"]);
  at.write(server("lab-b"));
  await until(async () => expect(await groups()).toEqual(["lab-b"]));
  at.write({ servers: { a: host.address }, poll: { interval: 1 } });
  await until(async () => expect(await groups()).toEqual([null]));
});

test("the feed compressed for a browser has the same events", async () => {
  const hub = await hubUp();
  const answer = await fetch(`${hub.url}/feed`);
  expect(answer.headers.get("content-encoding")).toBe("gzip");
  expect(answer.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while ((text.match(/^data: /gm)?.length ?? 0) < 3) text += (await reader?.read())?.value ?? "";
  expect(text).toMatch(/^retry: 2000\ndata: [A-Za-z0-9+/=]+\n\ndata: [A-Za-z0-9+/=]+\n\n/);
  await reader?.cancel();
});

test("a host that is gone is in the feed with the reason and the age of its last answer", async () => {
  const hub = await hubUp();
  const viewer = watch(hub);
  await until(() => expect(viewer.hosts.get("a")?.link).toBe(Link.OPEN));
  host.close();
  await until(() => expect(viewer.hosts.get("a")?.link).toBe(Link.WAITING));
  const gone = viewer.hosts.get("a");
  expect(gone?.reason).toContain(host.address);
  expect(gone?.info?.hostname).toBe("node");
  expect(gone?.seen).toBeLessThanOrEqual(gone?.since ?? 0n);
  const { t } = await usage(hub);
  host = await playHost(() => machine(Date.now()), host.port);
  await until(() => expect(viewer.hosts.get("a")?.link).toBe(Link.OPEN));
  await points(hub, t.length + 1);
});

test("stored samples are there after kill -9 and a restart", async () => {
  const first = await hubUp();
  const seen = await points(first, 4);
  // All but the polls of the last second.
  const safe = seen.filter((t) => t < BigInt(Date.now() - 1000) * 1_000_000n);
  expect(safe.length).toBeGreaterThanOrEqual(2);
  await first.stop("SIGKILL");
  const second = await hubUp();
  const { t } = await usage(second);
  expect(t.slice(0, safe.length)).toEqual(safe);
  expect(await second.stop()).toBe(0);
});

test("SIGTERM stops it with status 0, and not even the last poll is lost", async () => {
  const hub = await hubUp();
  await points(hub, 1);
  watch(hub);
  const { t } = await usage(hub);
  expect(await hub.stop()).toBe(0);
  host.close();
  const again = await hubUp();
  const { t: after } = await usage(again);
  expect(after.slice(0, t.length)).toEqual(t);
  expect(await again.stop("SIGINT")).toBe(0);
});

test("GET /pk is base64 of HistMap and GET /hist its values, one key per GPU, nanoseconds, gpumem", async () => {
  const hub = await hubUp();
  await points(hub, 2);
  const pk = await fetch(`${hub.url}/pk`);
  expect(pk.headers.get("content-type")).toMatch(/^text\/plain/);
  const map = fromBinary(HistMapSchema, Buffer.from(await pk.text(), "base64"));
  expect(Object.keys(map.data).sort()).toEqual(["a_0", "a_1"]);
  const { t = [], v = [] } = map.data.a_0 ?? {};
  expect(v[0]).toBe(2500n);
  expect(Math.abs(Number(t[0]) / 1e6 - Date.now())).toBeLessThan(60_000);
  const hist = (await (await fetch(`${hub.url}/hist`)).json()) as Record<string, number[]>;
  expect(hist.a_1?.[0]).toBe(2500);
});

test("an edit of the settings file takes effect; an invalid one changes nothing and is reported until it is fixed", async () => {
  const hub = await hubUp();
  const viewer = watch(hub);
  await until(() => expect(viewer.hosts.get("a")?.link).toBe(Link.OPEN));
  at.write('{\n  "servers": {"a": "127.0.0.1:9203"}\n  "poll": {}\n}');
  const notices = () => viewer.events.at(-1)?.notices.join() ?? "";
  await until(() => expect(notices()).toMatch(/line 3, column 3: comma expected.*remain in effect/));
  expect(hub.output()).toMatch(/error .*line 3, column 3.*; the previous settings remain in effect/);
  expect(viewer.hosts.get("a")?.link).toBe(Link.OPEN);
  at.write({ servers: { a: host.address, b: host.address }, poll: { interval: 2 } });
  await until(() => expect(viewer.hosts.get("b")?.link).toBe(Link.OPEN));
  expect(notices()).toBe("");
  expect(viewer.events.at(-1)?.interval).toBe(2);
  at.write({ servers: { b: host.address } });
  await until(() => expect([...viewer.hosts.keys()]).toEqual(["b"]));
});

test("removing the settings file changes nothing; at the start its absence means the defaults", async () => {
  const hub = await hubUp();
  const viewer = watch(hub);
  rmSync(at.settings);
  await hub.line(/the file is gone; the previous settings remain in effect/);
  expect(viewer.hosts.get("a")?.link).toBe(Link.OPEN);
  await hub.stop();
  const second = await hubUp();
  expect(second.output()).toMatch(/there is no settings file .*GOHM_SETTINGS/);
  const other = watch(second);
  await until(() => expect(other.hosts.get("local")?.address).toBe("127.0.0.1:9203"));
});

function raw(url: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { headers }, (response) => {
      response.resume();
      resolve(response);
    }).on("error", reject);
  });
}

test("every answer forbids requests to other hosts (CSP), and an unknown path is answered with JSON", async () => {
  const hub = await hubUp();
  const page = await raw(hub.url);
  expect(page.headers["content-security-policy"]).toMatch(/^default-src 'self'/);
  expect(page.headers["content-security-policy"]).not.toMatch(/https?:|unsafe/);
  expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
  const info = await fetch(hub.url, { headers: { accept: "application/json" } });
  expect(await info.json()).toMatchObject({ version: expect.any(String), docs_url: "/docs" });
  const missing = await fetch(`${hub.url}/nothing/here`);
  expect(missing.status).toBe(404);
  expect(await missing.json()).toEqual({ error: { code: "page_unknown", message: expect.any(String) } });
  for (const path of ["/../package.json", "/%2e%2e/package.json", "/..%2fgohm.mjs", "/gohm.mjs"]) {
    expect((await raw(hub.url + path)).statusCode).toBe(404);
  }
});
