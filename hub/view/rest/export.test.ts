import { create } from "@bufbuild/protobuf";
import type { Hono } from "hono";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Zone } from "../../../program/zone.ts";
import type { Level } from "../../../proto/device.ts";
import { HostInfoSchema } from "../../../proto/gen/host_pb.js";
import { Model, valuesOf } from "../../../test/model.ts";
import { viewOf } from "../../../test/view.ts";
import { heading } from "../../csv/form.ts";
import { application } from "../../http/application.ts";
import { Live } from "../../live.ts";
import { silent } from "../../log.ts";
import { Privacy } from "../../privacy.ts";
import { rest } from "../rest.ts";
import type { RunningView } from "../view.ts";

const now = Date.UTC(2026, 10, 27, 12);
const mib = 1_048_576;

let model: Model;
let live: Live;
let open: RunningView;
let app: Hono;

beforeEach(async () => {
  model = new Model();
  live = new Live(() => now);
  await serve("shown");
});

afterEach(() => open.close());

async function serve(users: "shown" | "hidden"): Promise<void> {
  const reports = () => live.hosts().flatMap(({ info }) => info ?? []);
  const hub = viewOf({
    ...{ live, history: model, clock: { now: () => now, after: () => () => {} } },
    zone: () => new Zone("Asia/Shanghai"),
    privacy: new Privacy({ now: () => now, users, reports }),
  });
  open = await rest.open(hub, {});
  app = application([open], { log: silent, entry: hub.identity });
}

interface Put {
  readonly host?: string;
  readonly level?: Level;
  readonly key?: string;
  readonly index?: number;
  readonly name?: string;
}

function put(at: number, named: Record<string, number>, { host = "gpu1", level = "gpu", ...more }: Put = {}): void {
  const { index = level === "gpu" ? 0 : undefined, key = level === "gpu" ? `GPU-${index}` : "", name } = more;
  const values = valuesOf(level, named);
  const known = { ...(index === undefined ? {} : { index }), ...(name === undefined ? {} : { name }) };
  model.append({ host, at, devices: [{ level, key, ...known, values }] });
}

async function lines(query: string): Promise<string[]> {
  const response = await app.request(`/api/v1/export?${query}`);
  expect([response.status, response.headers.get("content-type")]).toEqual([
    200,
    "text/csv; charset=utf-8; header=present",
  ]);
  const [first = "", ...rows] = (await response.text()).split("\r\n");
  expect([rows.pop(), ...(query.includes("form") ? [] : [`${first}\r\n`])]).toEqual([
    "",
    ...(query.includes("form") ? [] : [heading]),
  ]);
  return rows;
}

async function refused(query: string): Promise<string> {
  const { error } = (await (await app.request(`/api/v1/export?${query}`)).json()) as {
    error: { [key: string]: string };
  };
  return `${error.code}: ${error.message}`;
}

test("a sample of a card is a row of the logger's form, in the hub's local time", async () => {
  put(Date.UTC(2026, 10, 27, 0, 30, 5, 999), {
    ...{ gpu_utilization: 75, gpu_memory_utilization: 12.25, gpu_temperature: 45, gpu_fan: 0 },
    ...{ gpu_memory_total: 81_559 * mib, gpu_memory_used: 4012.5 * mib, gpu_power: 120_553, gpu_power_limit: 700_000 },
  });
  put(Date.UTC(2026, 10, 27, 0, 30, 10), { gpu_power: 500 });
  expect(await lines("")).toEqual([
    "2026-11-27 08:30:05,0,,75.0,12.25,81559,4012,77546,45,120.553,700.0,0,gpu1",
    "2026-11-27 08:30:10,0,,,,,,,,0.5,,,gpu1",
  ]);
});

test("text of machines is no formula and no second cell, and numbers are as they are", async () => {
  put(now - 5000, { gpu_power: 1000 }, { host: '=1+1,"x"' });
  expect(await lines("")).toEqual([`2026-11-27 19:59:55,0,,,,,,,,1.0,,,"'=1+1,""x"""`]);
});

test("rows are those of the present day, or of the range that is asked for: a date at its end is included", async () => {
  for (let hour = -30; hour < 12; hour += 6) put(Date.UTC(2026, 10, 27, hour), { gpu_power: 1000 });
  const times = async (query: string) => (await lines(query)).map((line) => line.slice(5, 16));
  expect(await times("")).toEqual(["11-27 02:00", "11-27 08:00", "11-27 14:00"]);
  expect(await times("from=2026-11-26&to=2026-11-26")).toEqual([
    "11-26 02:00",
    "11-26 08:00",
    "11-26 14:00",
    "11-26 20:00",
  ]);
  expect(await times("from=2026-11-26%2014:00:00&to=2026-11-27%2008:00:00")).toEqual([
    "11-26 14:00",
    "11-26 20:00",
    "11-27 02:00",
  ]);
  expect(await times(`from=${Date.UTC(2026, 10, 27, 0)}&to=${Date.UTC(2026, 10, 27, 0) + 1}`)).toEqual(["11-27 08:00"]);
});

test.each([
  ["", "gpu_metrics_20261127.csv"],
  ["from=2026-11-25&to=2026-11-26", "gpu_metrics_20261125-20261126.csv"],
  ["form=long&from=2026-11-25&to=2026-11-25", "history_20261125.csv"],
])("a browser saves %j as %s", async (query, name) => {
  const { headers } = await app.request(`/api/v1/export?${query}`);
  expect(headers.get("content-disposition")).toBe(`attachment; filename="${name}"`);
});

test("only the hosts and cards that are asked for are exported", async () => {
  for (const host of ["gpu1", "gpu2", "gpu3"]) {
    for (const index of [0, 1, 10]) put(now - 1000, { gpu_power: 1000 }, { host, index });
  }
  const names = async (query: string) =>
    (await lines(query)).map((line) => `${line.split(",").at(-1)}/${line.split(",")[1]}`);
  expect(await names("host=gpu1&client=gpu3&gpu=10,0")).toEqual(["gpu1/0", "gpu1/10", "gpu3/0", "gpu3/10"]);
  expect(await names("gpu=1")).toEqual(["gpu1/1", "gpu2/1", "gpu3/1"]);
  expect(await refused("host=gpu9")).toBe('host_unknown: There is no host "gpu9": there are gpu1, gpu2, gpu3.');
  expect(await refused("gpu=7")).toBe("device_unknown: There is no GPU 7 on these hosts.");
});

test.each([
  [
    "from=yesterday",
    /^bad_request: The parameter "from" must be a date, a time or Unix milliseconds: it is "yesterday"/,
  ],
  ["to=2026-02-30", /^bad_request: The parameter "to"/],
  ["from=2026-11-28&to=2026-11-26", /^bad_request: "from" must be before "to": they are 2026-11-28 and 2026-11-26\.$/],
  ["from=2026-11-28", /: they are 2026-11-28 and 2026-11-27 20:00:00\.$/],
  ["gpu=x", /^bad_request: The parameter "gpu" must be indices of GPUs: one is "x"/],
  ["metric=gpu_power", /^bad_request: The parameter "metric" is for the forms long and wide/],
  ["form=wide&metric=nope", /^metric_unknown: There is no metric "nope"/],
  ["form=wide&level=gpu&metric=load1", /^metric_unknown: There is no metric "load1" of level gpu/],
  ["form=wide&of=max", /^bad_request: The parameter "of" is for buckets/],
  ["form=xml", /^bad_request: The parameter "form" must be one of logger, long, wide/],
])("%s is refused", async (query, message) => {
  expect(await refused(query)).toMatch(message);
});

test("wide has a row for each time and device, long one for each value, of any metrics", async () => {
  const at = Date.UTC(2026, 10, 27, 0, 30, 5, 7);
  put(at, { gpu_power: 1500, gpu_temperature: 40 });
  put(at, { load1: 2.5 }, { level: "host" });
  put(at, { disk_used: 7 }, { level: "disk", key: "-mnt" });
  const time = "2026-11-27T08:30:05.007+08:00";
  expect(await lines("form=wide&metric=load1,gpu_power,disk_used,gpu_temperature")).toEqual([
    `${time},gpu1,host,,,2.5,,,`,
    `${time},gpu1,gpu,GPU-0,0,,1500,,40`,
    `${time},gpu1,disk,'-mnt,,,,7,`,
  ]);
  expect(await lines("form=long&time=unix")).toEqual([
    `${at},gpu1,host,,,load1,count,2.5`,
    `${at},gpu1,gpu,GPU-0,0,gpu_temperature,celsius,40`,
    `${at},gpu1,gpu,GPU-0,0,gpu_power,milliwatts,1500`,
    `${at},gpu1,disk,'-mnt,,disk_used,bytes,7`,
  ]);
  expect(await lines("form=long&time=unix&level=disk")).toHaveLength(1);
});

test("buckets have the mean, or what is asked for; of a counter the newest value", async () => {
  for (const [i, value] of [10, 20, 60].entries()) {
    put(Date.UTC(2026, 10, 27) + i * 60_000, { gpu_power: value, gpu_ecc_corrected: value });
  }
  const query = "form=wide&metric=gpu_power,gpu_ecc_corrected&step=3600000";
  expect((await lines(query)).map((line) => line.split(",").slice(-2))).toEqual([["30", "60"]]);
  expect((await lines(`${query}&of=min`)).map((line) => line.split(",").slice(-2))).toEqual([["10", "10"]]);
});

test("mounts are masked for those who may not see people", async () => {
  const disks = [{ mount: "/home/alice", total: 9n, used: 1n }];
  const gpus = [{ id: 0, uuid: "GPU-0", procs: [{ pid: 1, username: "alice" }] }];
  live.expect("gpu1", "x:1");
  live.received("gpu1", create(HostInfoSchema, { disks, gpus }), undefined);
  put(now - 1000, { disk_used: 7 }, { level: "disk", key: "/home/alice" });
  expect((await lines("form=long&metric=disk_used"))[0]).toContain("/home/alice");
  await serve("hidden");
  const [masked] = await lines("form=long&metric=disk_used");
  expect([masked?.includes("alice"), masked?.includes(",disk,/home/")]).toEqual([false, true]);
});

test("an export of many rows comes in pieces, and ends when its reader leaves", async () => {
  const host = "gpu".repeat(80);
  for (let i = 0; i < 6000; i++) put(now - 6_000_000 + i * 1000, { gpu_power: 1000 }, { host });
  const response = await app.request("/api/v1/export?from=2026-11-20");
  const reader = response.body?.getReader();
  const first = await reader?.read();
  expect(first?.value?.length).toBeLessThan(300_000);
  await reader?.cancel();
  expect(await lines("from=2026-11-20")).toHaveLength(6000);
});
