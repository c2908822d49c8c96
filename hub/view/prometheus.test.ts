import { randomBytes } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type HostInfo, HostInfoSchema, State } from "../../proto/gen/host_pb.js";
import { hardware } from "../../proto/hardware.ts";
import { exporterInput } from "../../proto/reading.ts";
import { exposition } from "../../proto/text.ts";
import { cases } from "../../test/cases.ts";
import { Door, openFront, start } from "../../test/door.ts";
import { type ReadFamily, readExposition } from "../../test/exposition.ts";
import { RosterFixture } from "../../test/roster.ts";
import { card, machine } from "../../test/scrape.ts";
import { viewOf } from "../../test/view.ts";
import { application } from "../http/application.ts";
import { listen } from "../http/server.ts";
import { Instruments } from "../instrument.ts";
import { Live } from "../live.ts";
import { silent } from "../log.ts";
import { prometheus } from "./prometheus.ts";

const second = 1000;
let door: Door;
let live: Live;
let scene: RosterFixture;
let app: ReturnType<typeof application>;

beforeEach(async () => {
  door = new Door();
  scene = new RosterFixture();
  const clock = { now: () => door.now, after: () => () => {} };
  live = new Live(clock.now);
  const { identity, book, desk } = door;
  const hub = {
    ...viewOf({ live, clock, instruments: new Instruments() }),
    roster: scene.roster,
    identity,
    book,
    desk,
  };
  app = application([await prometheus.open(hub, {})], { log: silent, entry: identity });
});
afterEach(() => door.close());

/** A machine whose sources and devices were read a second before its report. */
const report = (more: Parameters<typeof machine>[0] = {}): HostInfo => {
  const sampled = BigInt(start - second);
  return machine({
    sampled: BigInt(start),
    gpus: [card(0, { sampled, procs: [{ pid: 1, username: "ada", mem: 5n, compute: true }] }), card(1, { sampled })],
    disks: [{ device: "/dev/sda1", mount: "/", fstype: "ext4", total: 9n, used: 4n, state: State.OK, sampled }],
    nics: [{ name: "eth0", rxBytes: 1n, txBytes: 2n, up: true }],
    sources: [{ name: "cpu", state: State.OK, sampled, duration: 900 }],
    ...more,
  });
};

function hear(name: string, info: HostInfo | null = report(), address = "10.0.0.11:9203"): void {
  live.expect(name, address);
  const profile = scene.roster.profile(name);
  live.describe(name, profile);
  if (info !== null) live.received(name, info);
}

const ask = (path: string, headers: Record<string, string> = {}) => app.request(path, { headers });
const fleet = async (query = ""): Promise<string> => (await ask(`/metrics/fleet${query}`)).text();
const families = async (query = ""): Promise<ReadFamily[]> => readExposition(await fleet(query), "text");
/** Values of a metric by node. */
const valuesOf = (found: readonly ReadFamily[], name: string) =>
  Object.fromEntries(
    (found.find((family) => family.name === name)?.samples ?? []).map(({ labels, value }) => [labels.node, value]),
  );
const nodesIn = (found: readonly ReadFamily[]) => [
  ...new Set(
    found
      .filter(({ name }) => name.startsWith("hw_"))
      .flatMap(({ samples }) => samples.map(({ labels }) => labels.node)),
  ),
];

test.each([
  ["text", "text/plain", "text/plain; version=0.0.4; charset=utf-8"],
  [
    "openmetrics",
    "application/openmetrics-text;version=1.0.0",
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
  ],
] as const)(
  "the fleet's page in %s is what the exporter of each host writes, but for its name",
  async (format, accept, type) => {
    hear("gpu1");
    const answer = await ask("/metrics/fleet", { accept });
    expect(answer.headers.get("content-type")).toBe(type);
    const text = await answer.text();
    const info = live.host("gpu1")?.info ?? create(HostInfoSchema);
    const exporter = exposition(hardware(exporterInput(info, "gpu1"), new Set()), { format, typed: true });
    expect(text.slice(text.indexOf("# HELP hw_"))).toBe(exporter);
    expect(readExposition(text, format).length).toBeGreaterThan(35);
  },
);

test("each metric is declared once, with the samples of all hosts behind it", async () => {
  for (const name of ["gpu2", "gpu10", "gpu1"]) hear(name);
  // The parser refuses a family that occurs twice.
  const found = await families();
  const { samples = [] } = found.find(({ name }) => name === "hw_gpu_power_draw_watts") ?? {};
  expect(samples.map(({ labels }) => `${labels.node} ${labels.gpu_index}`)).toEqual([
    ...["gpu1 0", "gpu1 1", "gpu2 0", "gpu2 1", "gpu10 0", "gpu10 1"],
  ]);
});

test("a host that is down, stale, silent or not approved shows no values", async () => {
  for (const name of ["up", "down", "stale", "again"]) hear(name);
  hear("silent", null);
  hear("stranger");
  live.describe("stranger", { waiting: true });
  live.failed("down", "no route");
  door.now += 31 * second;
  hear("up");
  hear("again");
  const found = await families();
  expect(nodesIn(found)).toEqual(["again", "up"]);
  expect(valuesOf(found, "gohm_host_up")).toEqual({ again: 1, down: 0, silent: 0, stale: 0, up: 1 });
  expect(valuesOf(found, "gohm_host_report_age_seconds")).toEqual({ again: 0, down: 31, stale: 31, up: 0 });
});

test("ages count from the reading, also while no new report comes; a value is stale, then gone after five minutes", async () => {
  const read = BigInt(start - 280 * second);
  const stale = card(0, { state: State.STALE, sampled: read });
  hear("gpu1", report({ gpus: [stale] }));
  door.now += 19 * second;
  const before = await families();
  expect(valuesOf(before, "hw_gpu_sample_age_seconds")).toEqual({ gpu1: 299 });
  expect(valuesOf(before, "hw_source_age_seconds")).toEqual({ gpu1: 20 });
  expect(valuesOf(before, "hw_gpu_power_draw_watts")).toEqual({ gpu1: 71.25 });
  door.now += second;
  const after = await families();
  expect(valuesOf(after, "hw_gpu_state")).toEqual({ gpu1: 1 });
  expect(valuesOf(after, "hw_gpu_power_draw_watts")).toEqual({});
  expect(valuesOf(after, "hw_gpu_used_count")).toEqual({});
});

test("shown name and group are labels of one metric, and the fleet can be scraped in parts", async () => {
  scene.write({
    hosts: [
      { name: "gpu1", shown: "Blue", group: "rack 1" },
      { name: "gpu2", group: "rack 2" },
    ],
  });
  for (const name of ["gpu1", "gpu2"]) hear(name);
  const info = (await families()).find(({ name }) => name === "gohm_host_info")?.samples.map(({ labels }) => labels);
  expect(info).toEqual([
    { node: "gpu1", name: "Blue", group: "rack 1" },
    { node: "gpu2", name: "gpu2", group: "rack 2" },
  ]);
  expect(nodesIn(await families("?group=rack%202"))).toEqual(["gpu2"]);
  expect(nodesIn(await families("?host=Blue"))).toEqual(["gpu1"]);
  expect((await ask("/metrics/fleet?host=nobody")).status).toBe(404);
  expect((await ask("/metrics/fleet?grp=x")).status).toBe(400);
});

test("names from machines cannot end a line or add a label, whatever they are", async () => {
  const name = fc.oneof(
    fc.string({ unit: "binary", maxLength: 30 }),
    fc.string({ unit: fc.constantFrom('"', "\\", "\n", "}", ",", "=", "\u2028", "\ud800", "#"), maxLength: 12 }),
  );
  await fc.assert(
    fc.asyncProperty(name, name, fc.constantFrom("text", "openmetrics"), async (model, user, format) => {
      hear("gpu1", report({ gpus: [card(0, { name: model, procs: [{ pid: 1, username: user, mem: 1n }] })] }));
      const accept = format === "text" ? "text/plain" : "application/openmetrics-text";
      const text = await (await ask("/metrics/fleet", { accept })).text();
      const found = readExposition(text, format);
      const [type] = found.find((family) => family.name === "hw_gpu_type_count")?.samples ?? [];
      expect(type?.labels).toEqual({ node: "gpu1", gpu_type: model.toWellFormed() });
    }),
    // Each is a whole page; labels alone have all cases in proto/text.test.ts.
    { ...cases, numRuns: cases.numRuns / 10 },
  );
});

test("a client that accepts gzip gets the same text compressed", async () => {
  for (let i = 0; i < 40; i++) hear(`gpu${i}`);
  const plain = await fleet();
  const answer = await ask("/metrics/fleet", { "accept-encoding": "gzip" });
  expect(answer.headers.get("content-encoding")).toBe("gzip");
  const packed = Buffer.from(await answer.arrayBuffer());
  expect(packed.length).toBeLessThan(plain.length / 8);
  expect(gunzipSync(packed).toString()).toBe(plain);
});

test.each(["gzip", "identity"])("a client that leaves while %s is written costs the others nothing", async (coding) => {
  // Names that cannot be compressed: an answer under a megabyte is made before its first byte is sent.
  const gpus = () => Array.from({ length: 64 }, (_, i) => card(i, { name: randomBytes(96).toString("base64") }));
  for (let i = 0; i < 16; i++) hear(`gpu${i}`, report({ gpus: gpus() }));
  const failures: unknown[] = [];
  const note = (error: unknown): void => void failures.push(error);
  process.on("unhandledRejection", note);
  const web = await listen(app, { address: "127.0.0.1:0", front: openFront, names: () => [], log: silent });
  const url = `http://127.0.0.1:${web.port}/metrics/fleet`;
  for (let i = 0; i < 2; i++) {
    const answer = await fetch(url, { headers: { "accept-encoding": coding } });
    const reader = answer.body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    await reader?.cancel();
  }
  const whole = await (await fetch(url)).text();
  await web.close();
  process.off("unhandledRejection", note);
  expect(readExposition(whole, "text").find(({ name }) => name === "hw_gpu_count")?.samples).toHaveLength(16);
  expect(failures).toEqual([]);
});

test("with auth.read login all three need an account or a token to read", async () => {
  door.settings = { ...door.settings, read: "login" };
  hear("gpu1");
  const token = door.token("read");
  for (const path of ["/metrics", "/metrics/fleet", "/api/sd"]) {
    expect([path, (await ask(path)).status]).toEqual([path, 401]);
    expect([path, (await ask(path, { authorization: `Bearer ${token}` })).status]).toEqual([path, 200]);
    const push = { authorization: `Bearer ${door.token("push", { name: path })}` };
    expect([path, (await ask(path, push)).status]).toEqual([path, 403]);
  }
});

test("the hub's own metrics say how it is, and follow the formats", async () => {
  hear("up");
  hear("down");
  live.failed("down", "no route");
  live.notice("history", "full");
  door.signIn("ada", "administrator");
  door.signIn("vera");
  door.signIn("vera");
  const text = await (await ask("/metrics", { accept: "application/openmetrics-text;version=1.0.0" })).text();
  const found = readExposition(text, "openmetrics");
  const of = (name: string) =>
    (found.find((family) => family.name === name)?.samples ?? []).map(({ labels, value }) => [
      Object.values(labels)[0],
      value,
    ]);
  expect(of("gohm_build_info")).toEqual([["1.2.3", 1]]);
  expect(Object.fromEntries(of("gohm_hosts"))).toEqual({
    up: 1,
    stale: 0,
    down: 1,
    pending: 0,
    history: 0,
    waiting: 0,
  });
  expect(Object.fromEntries(of("gohm_health"))).toMatchObject({ history: 0, administration: 1, clock: 1 });
  expect(of("gohm_notices")).toEqual([[undefined, 1]]);
  expect(Object.fromEntries(of("gohm_accounts"))).toEqual({ administrator: 1, viewer: 1 });
  expect(of("gohm_sessions")).toEqual([[undefined, 3]]);
});

const targets = async (query = "", headers = {}) => (await ask(`/api/sd${query}`, headers)).json();

test("targets are the exporters of the hosts, also of those that are down, with name, group and labels", async () => {
  scene.write({
    hosts: [{ name: "gpu1", shown: "Blue", group: "rack 1", labels: { "owner-of": "physics", rack: "7" } }],
  });
  hear("gpu1", report({ exporterPort: 8080 }), "tls://10.0.0.11:9203");
  hear("gpu2", report({ exporterPort: 9100 }), "[fd00::7]:9203");
  hear("gpu3", report({ exporterPort: 8080 }), "gpu3.lab.example:9203");
  hear("gpu4", report(), "10.0.0.14:9203");
  hear("gpu5", null);
  // Reports by itself.
  hear("gpu6", report({ exporterPort: 8080 }), "10.0.0.16");
  hear("stranger", report({ exporterPort: 22 }), "10.0.0.66");
  live.describe("stranger", { waiting: true });
  live.failed("gpu2", "no route");
  const answer = await ask("/api/sd");
  expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
  const meta = { __meta_gohm_label_owner_of: "physics", __meta_gohm_label_rack: "7" };
  expect(await answer.json()).toEqual([
    { targets: ["10.0.0.11:8080"], labels: { node: "gpu1", group: "rack 1", __meta_gohm_name: "Blue", ...meta } },
    { targets: ["[fd00::7]:9100"], labels: { node: "gpu2", __meta_gohm_name: "gpu2" } },
    { targets: ["gpu3.lab.example:8080"], labels: { node: "gpu3", __meta_gohm_name: "gpu3" } },
    { targets: ["10.0.0.16:8080"], labels: { node: "gpu6", __meta_gohm_name: "gpu6" } },
  ]);
  expect(await targets("?group=rack%201")).toHaveLength(1);
  expect(await targets("?group=none")).toEqual([]);
});

test("without exporters the list is empty", async () => {
  expect(await targets()).toEqual([]);
});

test("what no target can be is left out: Prometheus would take it for another path or host", async () => {
  for (const [i, address] of ["gpu1/x:9203", "a b:9203", "user@gpu1:9203", ":9203", "gpu1?x:9203"].entries())
    hear(`bad${i}`, report({ exporterPort: 8080 }), address);
  expect(await targets()).toEqual([]);
});

test("the host that the hub polls on its own machine has an address for the client that asks", async () => {
  const app = await over([
    ["own", "127.0.0.1:9203", "10.0.0.5"],
    ["ipv6", "[::1]:9203", "10.0.0.6"],
    ["named", "localhost:9203", "10.0.0.7"],
    // What others could send Prometheus to.
    ["metadata", "127.0.0.1:9203", "169.254.169.254"],
    ["nowhere", "127.0.0.1:9203", "127.0.0.9"],
    ["text", "127.0.0.1:9203", "evil.example/"],
    ["pushes", "127.0.0.1", "10.0.0.8"],
    ["other", "10.0.0.9:9203", "10.0.0.99"],
  ]);
  const from = async (address: string) =>
    Object.fromEntries(
      ((await (await app(address)).json()) as { targets: string[]; labels: { node: string } }[]).map(
        ({ targets: [target = ""], labels }) => [labels.node, target.slice(0, target.lastIndexOf(":"))],
      ),
    );
  const unusable = { metadata: "127.0.0.1", nowhere: "127.0.0.1", text: "127.0.0.1", pushes: "127.0.0.1" };
  const others = { ...unusable, other: "10.0.0.9" };
  expect(await from("10.0.0.20")).toEqual({ own: "10.0.0.5", ipv6: "10.0.0.6", named: "10.0.0.7", ...others });
  expect(await from("127.0.0.1")).toEqual({ own: "127.0.0.1", ipv6: "[::1]", named: "localhost", ...others });
});

/** Asks for targets from an address. @param hosts name, address, and the address that each reports */
async function over(hosts: readonly (readonly [name: string, address: string, ip: string])[]) {
  for (const [name, address, ip] of hosts) hear(name, report({ ip, exporterPort: 8080 }), address);
  return (remoteAddress: string) => app.request("/api/sd", {}, { incoming: { socket: { remoteAddress } } });
}
