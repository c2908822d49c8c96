// A machine that tells names and reasons made to be read as something else.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Info, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub, type Viewer, view } from "../hub.ts";

/** Reads "root" where it shows, steers a terminal, and ends the line of a log. */
const bad = "\u202etoor\u2069\u200b\u001b[2J\u2028x\u0085y";
const shown = "toor[2Jxy";
const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

let at: HubFolder;
let host: PlayedHost;
let hub: RunningHub;
let viewer: Viewer;
const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 20_000, interval: 50 });

const said = (): Info => ({
  agentVersion: "0",
  sampled: BigInt(Date.now()),
  hostname: bad,
  err: bad,
  gpus: [{ id: 0, uuid: bad, name: bad, memTotal: 8n, procs: [{ pid: 1, username: bad, basename: bad }] }],
  nics: [{ name: bad, rxRate: 1n, addresses: [bad] }],
  sources: [{ name: bad, err: bad }],
});

beforeEach(async () => {
  at = hubFolder();
  host = await playHost(said);
  at.write({ servers: { a: host.address }, poll: { interval: 1 } });
  hub = await startHub(at);
  viewer = view(hub.url);
});

afterEach(async () => {
  viewer.close();
  await hub.stop();
  host.close();
  at.remove();
});

test("hidden characters are removed from names in the feed, on a host's page, in history and in the fleet", async () => {
  await until(() => expect(viewer.hosts.get("a")?.info?.gpus).toHaveLength(1));
  const info = viewer.hosts.get("a")?.info;
  expect(info?.gpus[0]).toMatchObject({ name: shown, uuid: shown });
  expect(info?.gpus[0]?.procs[0]?.username).toBe(shown);
  const page = Buffer.from(await (await fetch(`${hub.url}/feed/host?name=a`)).arrayBuffer()).toString("utf8");
  expect(page).toContain(shown);
  expect(page).not.toMatch(/[\u202e\u2069\u200b\u2028\u0085]/);
  const series = async (path: string): Promise<string> => (await fetch(hub.url + path)).text();
  await until(async () =>
    expect(await series("/api/history?host=a&metric=gpu_memory_total,network_receive&step=0")).toContain(
      `"level":"nic","key":${JSON.stringify(shown)}`,
    ),
  );
  const fleet = await series("/api/fleet/history?metric=gpu_memory_total&by=model");
  expect(fleet).toContain(`"name":${JSON.stringify(shown)}`);
  expect(fleet).not.toMatch(hidden);
});

test("a machine's error message is cleaned on the page and in the log", async () => {
  host.answer(() => new Error(`no ${bad}`));
  await until(() => expect(viewer.hosts.get("a")?.reason).toContain("toor"));
  expect(viewer.hosts.get("a")?.reason).not.toMatch(hidden);
  await until(() => expect(hub.output()).toMatch(/warn a cannot be reached: .*toor/));
  for (const line of hub.output().split("\n")) expect(line).not.toMatch(hidden);
});
