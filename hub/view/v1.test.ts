import { create } from "@bufbuild/protobuf";
import { beforeEach, expect, test } from "vitest";
import { type HostInfo, HostInfoSchema, State, Vendor } from "../../proto/gen/host_pb.js";
import { jsonOf } from "../../test/answer.ts";
import { RosterFixture } from "../../test/roster.ts";
import { viewOf } from "../../test/view.ts";
import { cause } from "../cause.ts";
import { application } from "../http/application.ts";
import { Live } from "../live.ts";
import { silent } from "../log.ts";
import { Privacy } from "../privacy.ts";
import { reason } from "../reason.ts";
import { v1 } from "./v1.ts";

const start = 1_800_000_000_000;
const GiB = 2 ** 30;
let now = start;
let live: Live;
let privacy: Privacy;
let read: "open" | "login";
let app: ReturnType<typeof application>;

interface Card {
  readonly name?: string;
  readonly used?: number;
  readonly utilization?: number;
  readonly exact?: number;
  readonly user?: string;
  readonly vendor?: Vendor;
}

const report = (host: string, cards: readonly Card[]): HostInfo =>
  create(HostInfoSchema, {
    agentVersion: "0.2.0",
    hostname: host,
    gpus: cards.map(({ name = "NVIDIA H100", used = 0, utilization = 0, exact, user, vendor = Vendor.NVIDIA }, id) => ({
      ...{ id, name, vendor, utilization, uuid: `GPU-${host}-${id}`, state: State.OK, power: 68_250 },
      ...{ memUsed: BigInt(used * GiB), memTotal: BigInt(80 * GiB), sampled: BigInt(start) },
      ...(exact !== undefined && { utilizationExact: exact }),
      procs: user === undefined ? [] : [{ pid: 7, username: user, mem: BigInt(used * GiB), compute: true, job: "42" }],
    })),
  });

beforeEach(async () => {
  now = start;
  read = "open";
  const clock = { now: () => now, after: () => () => {} };
  live = new Live(clock.now);
  privacy = new Privacy({
    now: clock.now,
    users: "shown",
    reports: () => live.hosts().flatMap(({ info }) => info ?? []),
  });
  const scene = new RosterFixture();
  scene.write({ hosts: [{ name: "gpu10", shown: "=Blue", group: "lab-a", labels: { rack: "7", owner: "alice" } }] });
  for (const [name, cards] of [
    ["gpu10", [{}, { used: 70, utilization: 43, exact: 43.21, user: "alice" }]],
    ["gpu2", [{ name: "AMD Instinct MI300X", vendor: Vendor.AMD, used: 30, user: "bob" }]],
    ["new", undefined],
  ] as const) {
    live.expect(name, "10.0.0.1:9203");
    const profile = scene.roster.profile(name);
    live.describe(name, profile);
    if (cards !== undefined) live.received(name, report(name, cards));
  }
  const hub = { ...viewOf({ live, clock, privacy, read: () => read }), roster: scene.roster };
  app = application([await v1.open(hub, {})], { log: silent, entry: hub.identity });
});

const ask = async (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  app.request(`/api/v1/${path}`, { headers });
const json = async (path: string) => jsonOf(await ask(path));
const names = async (path: string): Promise<string[]> =>
  ((await json(path)).hosts as { name: string }[]).map(({ name }) => name);
const cards = async (query: string): Promise<string[]> =>
  ((await json(`gpus?${query}`)).gpus as { uuid: string }[]).map(({ uuid }) => uuid.slice(4));

test.each([
  ["", ["gpu2", "gpu10", "new"]],
  ["?group=lab-a", ["gpu10"]],
  ["?group=lab", []],
  ["?label=rack", ["gpu10"]],
  ["?label=rack%3D7&label=owner", ["gpu10"]],
  ["?label=rack=7&label=owner=bob", []],
  ["?label=constructor", []],
  ["?state=pending", ["new"]],
  ["?state=up,pending", ["gpu2", "gpu10", "new"]],
  ["?name=BLUE", ["gpu10"]],
  ["?name=gpu", ["gpu2", "gpu10"]],
])("hosts%s are those that fit, in the order of people", async (query, wanted) => {
  expect(await names(`hosts${query}`)).toEqual(wanted);
});

test.each([
  ["", ["gpu2-0", "gpu10-0", "gpu10-1"]],
  ["verdict=free", ["gpu10-0"]],
  ["verdict=busy,held", ["gpu2-0", "gpu10-1"]],
  ["model=h100", ["gpu10-0", "gpu10-1"]],
  ["model=instinct", ["gpu2-0"]],
  ["host=%3DBlue", ["gpu10-0", "gpu10-1"]],
  ["host=gpu2&host=gpu10", ["gpu2-0", "gpu10-0", "gpu10-1"]],
  ["vendor=amd", ["gpu2-0"]],
  ["user=alice", ["gpu10-1"]],
  ["user=ali", []],
  ["group=lab-a&verdict=busy", ["gpu10-1"]],
])("gpus?%s are those that fit", async (query, wanted) => {
  expect(await cards(query)).toEqual(wanted);
});

test("a card has its readings with their decimals, in the units of their names", async () => {
  expect((await json("gpus?user=alice")).gpus).toMatchObject([
    {
      host: "gpu10",
      shown_name: "=Blue",
      utilization_percent: 43.21,
      power_watts: 68.25,
      memory_free_bytes: 10 * GiB,
      temperature_celsius: null,
      users: ["alice"],
      processes: [{ pid: 7, user: "alice", job: "42", command: null }],
    },
  ]);
});

test("a card that is held without computing says since when", async () => {
  now += 60_000;
  live.received("gpu2", report("gpu2", [{ used: 30, user: "bob" }]));
  expect((await json("gpus?host=gpu2")).gpus).toMatchObject([
    { verdict: "held", idle_since: new Date(start).toISOString(), idle_or_longer: true },
  ]);
  expect((await json("users?user=bob")).users).toMatchObject([{ cards: 1, idle_cards: 1, memory_bytes: 30 * GiB }]);
});

test("a host of which only Netdata tells is in a state of its own, and one whose Netdata cannot be read is down", async () => {
  const why = reason("means_only");
  live.failed("gpu2", why);
  expect((await json("hosts?state=history")).count).toEqual({ up: 0, stale: 0, down: 0, pending: 0, history: 1 });
  expect(await json("hosts/gpu2")).toMatchObject({ state: "history", reason: why.text });
  expect((await json("gpus")).count).toMatchObject({ broken: 0, unknown: 1 });
  live.failed("gpu2", reason("netdata_unread", { error: cause("nothing_listens") }));
  expect(await json("hosts/gpu2")).toMatchObject({
    state: "down",
    reason: "its Netdata cannot be read: nothing listens there",
  });
});

test("a host that is late is stale, one that failed is down, and nobody holds their cards", async () => {
  now += 40_000;
  live.failed("gpu2", "it went to /home/carol");
  expect((await json("hosts")).count).toEqual({ up: 0, stale: 1, down: 1, pending: 1, history: 0 });
  expect(await json("hosts/gpu10")).toMatchObject({
    state: "stale",
    since: new Date(start).toISOString(),
    reason: null,
  });
  expect(await json("hosts/gpu2")).toMatchObject({ state: "down", since: new Date(now).toISOString() });
  expect((await json("gpus")).count).toEqual({ free: 0, held: 0, busy: 0, broken: 0, unknown: 3 });
  expect(await json("free")).toMatchObject({ satisfied: false, matching: 0, gpus: [], hosts: [] });
  expect(await json("users")).toMatchObject({ total: 0, users: [] });
});

test("too few free cards are status 200, with those that there are and nothing to run", async () => {
  const answer = await ask("free?count=2");
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({ satisfied: false, count: 2, matching: 1, gpus: [{}], hosts: [] });
  expect(await json("free?min_mem=80Gi&model=h100")).toMatchObject({
    satisfied: true,
    gpus: [{ uuid: "GPU-gpu10-0" }],
  });
  expect(await json("free?min_mem=86G")).toMatchObject({ satisfied: false, gpus: [] });
});

test.each([
  ["gpus?modle=h100", 'There is no parameter "modle": did you mean "model"?'],
  [
    "hosts?colour=red",
    'There is no parameter "colour": parameters are group, label, state, name, limit, cursor, format.',
  ],
  ["hosts/gpu2?x=1", 'There is no parameter "x": parameters are (none).'],
  ["hosts/gpu2?name=x", 'There is no parameter "name": parameters are (none).'],
  ["free?min_men=40G", 'There is no parameter "min_men": did you mean "min_mem"?'],
  ["users?__proto__=1", 'There is no parameter "__proto__": parameters are user, group, label, limit, cursor, format.'],
])("GET %s is refused, as a filter that does nothing would mislead", async (path, message) => {
  const answer = await ask(path);
  expect([answer.status, (await answer.json()).error]).toEqual([400, { code: "bad_request", message }]);
  const problem = await ask(path, { accept: "application/problem+json" });
  expect(problem.headers.get("content-type")).toBe("application/problem+json");
  expect(await problem.json()).toMatchObject({ status: 400, detail: message });
});

test("pages are linked by the header and by the body, with the filters of the first one", async () => {
  const got: string[] = [];
  let path = "gpus?limit=1&model=h100";
  for (let i = 0; i < 5; i++) {
    const answer = await ask(path);
    const { gpus, total, next } = await answer.json();
    got.push(...gpus.map(({ uuid }: { uuid: string }) => uuid));
    expect(total).toBe(2);
    const [, link] = /^<\?(.*)>; rel="next"$/.exec(answer.headers.get("link") ?? "") ?? [];
    expect(link === undefined).toBe(next === null);
    if (link === undefined) break;
    expect(new URLSearchParams(link).get("cursor")).toBe(next);
    path = `gpus?${link}`;
  }
  expect(got).toEqual(["GPU-gpu10-0", "GPU-gpu10-1"]);
});

test.each([
  ["application/json", "", "application/json; charset=utf-8"],
  ["*/*", "", "application/json; charset=utf-8"],
  ["text/csv", "", "text/csv; charset=utf-8"],
  ["application/json;q=0.5, text/csv", "", "text/csv; charset=utf-8"],
  ["application/json, text/csv;q=0.5", "", "application/json; charset=utf-8"],
  ["application/json", "?format=csv", "text/csv; charset=utf-8"],
  ["text/csv", "?format=json", "application/json; charset=utf-8"],
])("Accept: %s%s is answered with %s", async (accept, query, type) => {
  for (const list of ["hosts", "gpus", "free", "users"])
    expect((await ask(`${list}${query}`, { accept })).headers.get("content-type")).toBe(type);
});

test("one host is JSON, whatever is preferred, and its lists are whole", async () => {
  const answer = await ask("hosts/gpu10", { accept: "text/csv" });
  expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
  const host = await answer.json();
  expect(host.gpus).toMatchObject([
    { uuid: "GPU-gpu10-0", verdict: "free", metrics: { gpu_utilization: 0, gpu_power: 68_250 } },
    { uuid: "GPU-gpu10-1", verdict: "busy", metrics: { gpu_utilization: 43.21 } },
  ]);
  expect([host.disks, host.nics, host.sources, host.gpu_count.free]).toEqual([[], [], [], 1]);
  expect(await json("hosts/new")).toMatchObject({ state: "pending", seen: null, gpus: [], metrics: {} });
});

test("CSV has a line for each row, formulas defused and numbers as they are; for spreadsheets a file with a byte order mark", async () => {
  const plain = await (await ask("hosts", { accept: "text/csv" })).text();
  const [head = "", ...rows] = plain.trimEnd().split("\r\n");
  expect(head.split(",").slice(0, 4)).toEqual(["name", "shown_name", "group", "labels"]);
  expect(rows.map((row) => row.split(",").slice(0, 4).join(","))).toEqual([
    "gpu2,gpu2,,",
    "gpu10,'=Blue,lab-a,rack=7; owner=alice",
    "new,new,,",
  ]);
  const file = await ask("hosts?format=csv");
  expect(file.headers.get("content-disposition")).toBe('attachment; filename="hosts.csv"');
  expect(Buffer.from(await file.arrayBuffer()).toString()).toBe(`\ufeff${plain}`);
  const free = await (await ask("free", { accept: "text/csv" })).text();
  expect(free.split("\r\n")[1]?.split(",").slice(-2)).toEqual([
    "0",
    "export CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=0",
  ]);
});

test("an answer that did not change is 304, and a change of it is seen", async () => {
  const first = await ask("free");
  const etag = first.headers.get("etag") ?? "";
  expect(first.headers.get("cache-control")).toBe("private, no-cache");
  const again = await ask("free", { "if-none-match": etag });
  expect([again.status, await again.text(), again.headers.get("etag")]).toEqual([304, "", etag]);
  // Another report that says the same of free cards.
  live.received("gpu10", report("gpu10", [{}, { used: 71, utilization: 50, user: "alice" }]));
  expect((await ask("free", { "if-none-match": etag })).status).toBe(304);
  live.received("gpu10", report("gpu10", [{ used: 20, user: "carol" }, {}]));
  expect((await ask("free", { "if-none-match": etag })).status).toBe(200);
  expect((await ask("free", { "if-none-match": etag, accept: "text/csv" })).status).toBe(200);
});

test("with auth.read login nobody else is answered", async () => {
  read = "login";
  for (const path of ["hosts", "hosts/gpu2", "gpus", "free", "users"]) {
    const answer = await ask(path);
    expect([answer.status, (await answer.json()).error.code]).toEqual([401, "sign_in_needed"]);
  }
});

test("privacy.users: no filter and no entity tag tells what is hidden, and an alias finds what it is of", async () => {
  const shown = (await ask("gpus")).headers.get("etag") ?? "";
  privacy.change("hidden");
  expect((await ask("gpus", { "if-none-match": shown })).status).toBe(200);
  expect(await cards("user=alice")).toEqual([]);
  expect(await names("hosts?label=owner%3Dalice")).toEqual([]);
  const { users } = await json("users");
  expect(users).toMatchObject([
    { name: expect.stringMatching(/^#\d+$/), cards: 1, memory_bytes: 70 * GiB, jobs: [] },
    { name: expect.stringMatching(/^#\d+$/), cards: 1, memory_bytes: 30 * GiB },
  ]);
  expect(await cards(`user=${encodeURIComponent(users[0].name)}`)).toEqual(["gpu10-1"]);
  live.failed("gpu2", "refused by carol's /home/carol/bin");
  expect((await json("hosts/gpu2")).reason).not.toContain("/home/carol");
});
