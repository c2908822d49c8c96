import { create, fromBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Level } from "../../proto/device.ts";
import { HistMapSchema } from "../../proto/gen/history_pb.js";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { unpackAnswer } from "../../proto/history.ts";
import { jsonOf } from "../../test/answer.ts";
import { Model, valuesOf } from "../../test/model.ts";
import { viewOf } from "../../test/view.ts";
import { application } from "../http/application.ts";
import { Live } from "../live.ts";
import { silent } from "../log.ts";
import { reason } from "../reason.ts";
import { ServerList } from "../servers.ts";
import { rest } from "./rest.ts";
import type { RunningView } from "./view.ts";

const start = 1_800_000_000_000;
const minute = 60_000;
const day = 86_400_000;
let now = start;
let timers: (() => void)[] = [];
let model: Model;
let live: Live;
let open: RunningView;
let app: ReturnType<typeof application>;
let servers: ServerList;
let read: "open" | "login" = "open";

const clock = {
  now: () => now,
  after: (_ms: number, run: () => void) => {
    timers.push(run);
    return () => {
      timers = timers.filter((timer) => timer !== run);
    };
  },
};

beforeEach(async () => {
  now = start;
  timers = [];
  servers = new ServerList({});
  read = "open";
  model = new Model();
  live = new Live(clock.now);
  live.expect("a", "x:1");
  const hub = viewOf({ live, history: model, clock, name: () => "north", servers, read: () => read });
  open = await rest.open(hub, {});
  app = application([open], { log: silent, entry: hub.identity });
});

afterEach(() => open.close());

interface Put {
  readonly host?: string;
  readonly level?: Level;
  readonly key?: string;
  readonly index?: number;
}

function put(
  at: number,
  values: Record<string, number>,
  { host = "a", level = "gpu", key = "GPU-1", index = 0 }: Put = {},
) {
  model.append({ host, at, devices: [{ level, key, index, values: valuesOf(level, values) }] });
}

/** What an answer holds, whatever it holds. */
const json = async (path: string) => jsonOf(await app.request(path));

const card = "/api/history?host=a&metric=gpu_temperature";

test.each([
  ["/api/history?metric=load1", 400, "bad_request", "host"],
  ["/api/history?host=b&metric=load1", 404, "host_unknown", "b"],
  ["/api/history?host=a", 400, "bad_request", "metric"],
  ["/api/history?host=a&metric=colour", 400, "metric_unknown", "load1"],
  ["/api/history?host=a&metric=cpu_cores", 400, "metric_unknown", "cpu_utilization"],
  ["/api/history?host=a&level=host&metric=gpu_fan", 400, "metric_unknown", "of level host"],
  ["/api/history?host=a&level=rack&metric=load1", 400, "bad_request", "host, gpu, disk, nic"],
  ["/api/history?host=a&key=GPU-9&metric=gpu_fan", 404, "device_unknown", "GPU-9"],
  ["/api/history?host=a&metric=gpu_fan", 404, "device_unknown", "no device"],
  ["/api/history?host=a&metric=load1&from=x", 400, "bad_request", '"from"'],
  ["/api/history?host=a&metric=load1&from=-1", 400, "bad_request", '"from"'],
  ["/api/history?host=a&metric=load1&from=1.5", 400, "bad_request", '"from"'],
  ["/api/history?host=a&metric=load1&from=1e30", 400, "bad_request", '"from"'],
  ["/api/history?host=a&metric=load1&to=9999999999999999", 400, "bad_request", '"to"'],
  ["/api/history?host=a&metric=load1&from=5&to=5", 400, "bad_request", "before"],
  ["/api/history?host=a&metric=load1&step=1m", 400, "bad_request", '"step"'],
  ["/api/history?host=a&metric=load1&most=0", 400, "bad_request", '"most"'],
  ["/api/history?host=a&metric=load1&of=avg,median", 400, "bad_request", "avg,min,max,last,p95,count"],
  ["/api/fleet/history", 400, "bad_request", "metric"],
  ["/api/fleet/history?metric=colour", 400, "metric_unknown", "load1"],
  ["/api/fleet/history?metric=load1&by=rack", 400, "bad_request", "host, group, model, all"],
  ["/api/fleet/history?metric=network_receive&by=model", 400, "bad_request", "a nic has no model"],
  ["/api/fleet/history?metric=load1&step=0", 400, "bad_request", "greater than 0"],
  ["/api/fleet/history?metric=load1&from=0&step=1", 400, "bad_request", "must be 1800000 or more"],
  ["/pk?host=b", 404, "host_unknown", "servers are a"],
  ["/pk?type=colour", 400, "metric_unknown", "gpumem, util"],
  ["/hist?from=1.5", 400, "bad_request", "nanoseconds"],
  ["/hist?step=ten", 400, "bad_request", '"step"'],
])("GET %s is refused with %d %s", async (path, status, code, word) => {
  const answer = await app.request(path);
  expect(answer.status).toBe(status);
  expect(await answer.json()).toEqual({ error: { code, message: expect.stringContaining(word) } });
});

test("many metrics of many devices are one answer, each told by the aggregates that were asked for", async () => {
  put(start - 30_000, { gpu_temperature: 40, gpu_utilization: 10 });
  put(start - 20_000, { gpu_temperature: 44, gpu_utilization: 30 });
  put(start - 20_000, { gpu_temperature: 70 }, { key: "GPU-2", index: 1 });
  put(start - 20_000, { load1: 0.25 }, { level: "host", key: "" });
  const query = `metric=gpu_temperature,load1&of=p95,count,avg&from=${start - minute}&to=${start}&step=${minute}`;
  const t = [Math.floor((start - 30_000) / minute) * minute];
  const one = { level: "gpu", metric: "gpu_temperature", unit: "celsius", cut: false, t };
  expect(await json(`/api/history?host=a&${query}`)).toEqual({
    host: "a",
    from: start - minute,
    to: start,
    step: minute,
    series: [
      { ...one, key: "GPU-1", avg: [42], p95: [44], count: [2] },
      { ...one, key: "GPU-2", avg: [70], p95: [70], count: [1] },
      { level: "host", key: "", metric: "load1", unit: "count", cut: false, t, avg: [0.25], p95: [0.25], count: [1] },
    ],
  });
  const named = await json(`/api/history?host=a&key=GPU-2&key=GPU-1&metric=gpu_utilization,load1&step=0`);
  expect(named.series.map((series: { key: string; t: number[] }) => [series.key, series.t.length])).toEqual([
    ["GPU-1", 2],
    ["GPU-2", 0],
    ["", 1],
  ]);
  const alone = await json("/api/history?host=a&key=GPU-2&metric=gpu_utilization,gpu_temperature");
  expect(alone.series.map((series: { key: string }) => series.key)).toEqual(["GPU-2", "GPU-2"]);
});

test("decimals of percentages and watts reach every answer, and the first GOHM's as integers", async () => {
  put(start - 30_000, { gpu_utilization: 37.45, gpu_memory_utilization: 0.07, gpu_power: 412_340 });
  put(start - 20_000, { gpu_utilization: 62.5, gpu_memory_utilization: 99.99, gpu_power: 412_350 });
  const range = `from=${start - minute}&to=${start}`;
  const { series } = await json(
    `/api/history?host=a&metric=gpu_utilization,gpu_memory_utilization,gpu_power&of=min,max&step=0&${range}`,
  );
  const raw = (at: number): number[] => series.map((one: { min: number[] }) => one.min[at]);
  expect([raw(0), raw(1)]).toEqual([
    [37.45, 0.07, 412_340],
    [62.5, 99.99, 412_350],
  ]);
  const bucket = await json(`/api/history?host=a&metric=gpu_utilization&step=${minute}&${range}`);
  expect(bucket.series[0]).toMatchObject({ avg: [49.975], min: [37.45], max: [62.5] });
  const fleet = await json(`/api/fleet/history?metric=gpu_utilization&step=${minute}&${range}`);
  expect(fleet.groups[0]).toMatchObject({ avg: [49.975], min: [37.45], max: [62.5], sum: [49.975], count: [1] });
  expect(await json("/hist?type=util")).toEqual({ a_0: [37, 62] });
  expect((await pk("?type=gpu_memory_utilization")).data.a_0?.v).toEqual([0n, 100n]);
});

test("whoever accepts protobuf gets the same numbers in it", async () => {
  for (let i = 0; i < 50; i++) put(start - 10_000 * i, { gpu_temperature: 40 + (i % 7), gpu_utilization: i });
  const path = `/api/history?host=a&metric=gpu_temperature,gpu_utilization&step=${minute}&from=${start - day}`;
  const packed = await app.request(path, { headers: { Accept: "application/x-protobuf" } });
  expect([packed.headers.get("content-type"), packed.headers.get("vary")]).toEqual([
    "application/x-protobuf",
    "Accept",
  ]);
  const answer = unpackAnswer(new Uint8Array(await packed.arrayBuffer()));
  const plain = await json(path);
  expect(plain.series[0].avg.length).toBeGreaterThan(7);
  expect(
    answer.series.map(({ t, columns: { min, avg, max }, host: _, ...head }) => {
      const list = (values: Float64Array | undefined): number[] => [...(values ?? [])];
      return { ...head, t: list(t), min: list(min), avg: list(avg), max: list(max) };
    }),
  ).toEqual(plain.series);
  expect({ from: answer.from, to: answer.to, step: answer.step }).toMatchObject({
    from: plain.from,
    to: plain.to,
    step: plain.step,
  });
});

test("a step that is asked for is kept to, and where there is more than may be told the newest are, and it says so", async () => {
  for (let i = 0; i < 30; i++) put(start - 10_000 * i, { gpu_temperature: i });
  const cut = await json(`${card}&of=last&step=0&most=2`);
  expect(cut.series[0]).toMatchObject({ cut: true, t: [start - 10_000, start - 20_000].reverse(), last: [2, 1] });
  const whole = await json(`${card}&of=last&step=0&from=${start - 290_000}`);
  expect(whole.series[0]).toMatchObject({ cut: false, last: Array.from({ length: 29 }, (_, i) => 29 - i) });
});

test("a step that is not asked for is every sample of a short range, and at most 2,000 buckets of a long one", async () => {
  put(start - 5000, { gpu_temperature: 40 });
  put(start - 50 * day, { gpu_temperature: 40 });
  expect(await json(`${card}&from=${start - 900_000}&to=${start}`)).toMatchObject({ step: 0 });
  const ten = await json(`${card}&from=${start - 10 * day + 1234}&to=${start + 1234}`);
  expect(ten).toMatchObject({ step: 600_000 });
  // Buckets at the edges are whole ones.
  expect([ten.from % ten.step, ten.to % ten.step]).toEqual([0, 0]);
  expect([ten.from, ten.to]).toEqual([start - 10 * day, start + 600_000]);
  // Polled faster then than now: too many samples for one answer, so buckets after all.
  for (let i = 0; i < 2500; i++) put(start - 100 * i, { gpu_temperature: i });
  expect(await json(`${card}&from=${start - 900_000}&to=${start}`)).toMatchObject({ step: 1000 });
});

test("a range that begins before anything was measured begins there, so that its buckets are no wider than need be", async () => {
  put(start - 40 * day, { gpu_temperature: 40 });
  put(start - 5000, { gpu_temperature: 41 });
  const all = await json(`${card}&from=0&to=${start}`);
  expect(start - all.from).toBeLessThan(41 * day + all.step);
  expect(all.step).toBe(1_800_000);
  expect(all.series[0].avg).toEqual([40, 41]);
});

test("a device that a host shows now has an empty chart before its first sample, and a host that is gone keeps its own", async () => {
  live.received("a", create(HostInfoSchema, { nics: [{ name: "eth0" }] }));
  expect((await json("/api/history?host=a&key=eth0&metric=network_receive")).series[0].t).toEqual([]);
  put(start - 5000, { disk_used: 5 }, { host: "old", level: "disk", key: "/" });
  expect((await json("/api/history?host=old&key=/&metric=disk_used&of=max")).series[0].max).toEqual([5]);
});

test("a long answer comes in pieces that are what a short one would be", async () => {
  for (let i = 0; i < 60_000; i++) put(start - 10 * i, { gpu_temperature: i % 90, gpu_power: i });
  const path = `/api/history?host=a&metric=gpu_temperature,gpu_power&step=0&of=last&from=${start - day}&to=${start + 1}`;
  const { series } = await json(path);
  expect(series.map((one: { last: number[] }) => [one.last.length, one.last.at(-1), one.last[0]])).toEqual([
    [60_000, 0, 59_999 % 90],
    [60_000, 0, 59_999],
  ]);
  const packed = await app.request(path, { headers: { Accept: "application/x-protobuf" } });
  const answer = unpackAnswer(new Uint8Array(await packed.arrayBuffer()));
  expect(answer.series.map(({ columns }) => [...(columns.last ?? [])])).toEqual(
    series.map((one: { last: number[] }) => one.last),
  );
});

test("the fleet is told as one, by host and by model, each group with mean, least, greatest, sum and count", async () => {
  live.expect("b", "x:2");
  const gpus = [
    { uuid: "GPU-1", name: "H100" },
    { uuid: "GPU-2", name: "A100" },
  ];
  live.received("a", create(HostInfoSchema, { gpus }));
  live.received("b", create(HostInfoSchema, { gpus: [{ uuid: "GPU-3", name: "H100" }] }));
  put(start - 50_000, { gpu_power: 100 });
  put(start - 40_000, { gpu_power: 300 });
  put(start - 40_000, { gpu_power: 50 }, { key: "GPU-2" });
  put(start - 40_000, { gpu_power: 400 }, { host: "b", key: "GPU-3" });
  put(start - 40_000, { gpu_power: 7 }, { host: "gone", key: "GPU-4" });
  put(start - 40_000, { gpu_temperature: 7 }, { host: "b", key: "GPU-5" });
  const ask = (by: string) =>
    json(`/api/fleet/history?metric=gpu_power&by=${by}&from=${start - 100_000}&to=${start}&step=100000`);
  const [t] = [[start - 100_000]];
  const all = await ask("all");
  expect(all).toEqual({
    ...{ metric: "gpu_power", unit: "milliwatts", by: "all", from: start - 100_000, to: start, step: 100_000 },
    groups: [{ name: "all", series: 4, t, avg: [657 / 4], min: [7], max: [400], sum: [657], count: [4] }],
  });
  expect((await ask("host")).groups).toMatchObject([
    { name: "a", series: 2, avg: [125], sum: [250] },
    { name: "b", series: 1, avg: [400] },
    { name: "gone", avg: [7] },
  ]);
  // A card that no host shows now has no model that anybody knows.
  expect((await ask("model")).groups).toMatchObject([
    { name: "A100", avg: [50] },
    { name: "H100", series: 2, avg: [300], count: [2] },
    { name: null, avg: [7] },
  ]);
});

test("one metric over the fleet by the groups of the settings, as they are now; hosts without one are under null", async () => {
  for (const [host, load1] of Object.entries({ a: 1, b: 3, c: 8, gone: 5 })) {
    put(start - 5000, { load1 }, { host, level: "host", key: "" });
    put(start - 5000, { gpu_power: load1 * 100 }, { host, key: `GPU-${host}` });
  }
  const address = "x:1";
  servers.change({ a: { address, group: "lab 10" }, b: { address, group: "lab 10" }, c: { address, group: "lab 9" } });
  const ask = async (metric: string) =>
    (await json(`/api/fleet/history?metric=${metric}&by=group&from=${start - 10_000}&to=${start}&step=10000`)).groups;
  expect(await ask("load1")).toMatchObject([
    { name: "lab 9", series: 1, avg: [8] },
    { name: "lab 10", series: 2, avg: [2], sum: [4], max: [3] },
    { name: null, series: 1, avg: [5] },
  ]);
  expect(await ask("gpu_power")).toMatchObject([{ avg: [800] }, { avg: [200], count: [2] }, { avg: [500] }]);
  servers.change({});
  expect(await ask("load1")).toMatchObject([{ name: null, series: 4, sum: [17] }]);
});

test("the fleet's step is chosen where none is asked for, and hosts may go by the model of their processor", async () => {
  live.received("a", create(HostInfoSchema, { cpu: { model: "EPYC" } }));
  put(start - 40 * day, { load1: 1 }, { level: "host", key: "" });
  put(start - 5000, { load1: 3 }, { level: "host", key: "" });
  const hosts = await json("/api/fleet/history?metric=load1&by=model&from=0");
  expect(hosts).toMatchObject({ step: 7_200_000, groups: [{ name: "EPYC", avg: [1, 3] }] });
  expect(await json("/api/fleet/history?metric=load1")).toMatchObject({ step: 300_000, by: "all" });
});

const pk = async (query = "", headers: Record<string, string> = {}) => {
  const answer = await app.request(`/pk${query}`, { headers });
  const { data } = fromBinary(HistMapSchema, Buffer.from(await answer.text(), "base64"));
  return { answer, data: Object.fromEntries(Object.entries(data).map(([key, { t, v }]) => [key, { t, v }])) };
};

test("/pk and /hist give memory of every card in nanoseconds and ten thousandths, as the first GOHM did", async () => {
  live.expect("b", "x:2");
  put(start - 20_000, { gpu_memory_used: 1, gpu_memory_total: 4 });
  put(start - 10_000, { gpu_memory_used: 2, gpu_memory_total: 4 });
  put(start - 10_000, { gpu_memory_used: 4, gpu_memory_total: 4 }, { host: "b", key: "GPU-2", index: 12 });
  put(start - 10_000, { gpu_memory_used: 4, gpu_memory_total: 4 }, { host: "gone", key: "GPU-3" });
  const ns = (ms: number): bigint => BigInt(ms) * 1_000_000n;
  expect((await pk()).data).toEqual({
    a_0: { t: [ns(start - 20_000), ns(start - 10_000)], v: [2500n, 5000n] },
    b_12: { t: [ns(start - 10_000)], v: [10_000n] },
  });
  expect(await json("/hist")).toEqual({ a_0: [2500, 5000], b_12: [10_000] });
  expect(await json("/hist?host=gone")).toEqual({ gone_0: [10_000] });
});

test("/pk and /hist give any type, host, range and step when they are asked to", async () => {
  for (let i = 0; i < 12; i++) put(start - 120_000 + 10_000 * i, { gpu_temperature: 40 + i, gpu_utilization: 5 });
  put(start - 60_000, { load1: 0.5 }, { level: "host", key: "" });
  const from = `${start - 60_000}000000`;
  expect(await json(`/hist?type=temp&from=${from}`)).toEqual({ a_0: [46, 47, 48, 49, 50, 51] });
  expect(await json(`/hist?type=temp&from=${start - 60_000}000001&to=${start - 50_000}000001`)).toEqual({ a_0: [47] });
  expect(await json(`/hist?host=a&type=gpu_temperature&step=60000000000`)).toEqual({ a_0: [43, 49] });
  expect((await pk("?type=load1")).data).toEqual({ a: { t: [BigInt(from)], v: [50n] } });
});

test("an answer is made once for all who ask within five seconds, and not sent to whoever has it", async () => {
  put(start - 20_000, { gpu_memory_used: 1, gpu_memory_total: 4 });
  const first = await pk();
  put(start - 10_000, { gpu_memory_used: 2, gpu_memory_total: 4 });
  const etag = first.answer.headers.get("etag") ?? "";
  expect((await pk("", { "If-None-Match": etag })).answer.status).toBe(304);
  expect((await pk()).data.a_0?.v).toEqual([2500n]);
  expect((await pk("?host=a")).data.a_0?.v).toEqual([2500n, 5000n]);
  for (const run of timers.splice(0)) run();
  const later = await pk("", { "If-None-Match": etag });
  expect([later.answer.status, later.data.a_0?.v]).toEqual([200, [2500n, 5000n]]);
});

test("base64 of many cards is one text, wherever its pieces end", async () => {
  for (let index = 0; index < 40; index++) {
    put(start - 10_000, { gpu_memory_used: index, gpu_memory_total: 40 }, { key: `GPU-${index}`, index });
  }
  const { data } = await pk();
  expect(Object.keys(data)).toHaveLength(40);
  expect(data.a_39?.v).toEqual([9750n]);
});

test("a host of which only history knows is neither open nor silent", async () => {
  live.failed("a", reason("means_only"));
  expect(await json("/api/health")).toMatchObject({ hosts: 1, open: 0, history: 1, silent: [] });
  live.failed("a", reason("netdata_unread", { error: "gone" }));
  expect(await json("/api/health")).toMatchObject({ hosts: 1, open: 0, history: 0, silent: ["a"] });
});

test("where reading needs an account, the state of the hub tells strangers how many hosts answer, and no names", async () => {
  live.notice("settings", "a machine called a has no address");
  expect(await json("/api/health")).toMatchObject({
    hosts: 1,
    open: 0,
    silent: ["a"],
    notices: [expect.stringMatching(/ a /)],
  });
  read = "login";
  const health = await json("/api/health");
  expect(health).toMatchObject({ status: "ok", hosts: 1, open: 0, notices: [] });
  expect(health.silent).toBeUndefined();
});
