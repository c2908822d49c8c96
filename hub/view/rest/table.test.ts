// History under /api/v1, against that of the older routes.

import { beforeEach, expect, test } from "vitest";
import { Zone } from "../../../program/zone.ts";
import { jsonOf } from "../../../test/answer.ts";
import { Model, valuesOf } from "../../../test/model.ts";
import { RosterFixture } from "../../../test/roster.ts";
import { viewOf } from "../../../test/view.ts";
import { application } from "../../http/application.ts";
import { Live } from "../../live.ts";
import { silent } from "../../log.ts";
import { rest } from "../rest.ts";

const start = 1_800_000_000_000;
const minute = 60_000;
let app: ReturnType<typeof application>;

beforeEach(async () => {
  const clock = { now: () => start, after: () => () => {} };
  const live = new Live(clock.now);
  const history = new Model();
  for (const host of ["a", "b"]) {
    live.expect(host, "x:1");
    for (let i = 1; i <= 1200; i++) {
      const values = valuesOf("gpu", { gpu_utilization: i / 100, ...(i % 3 === 0 ? { gpu_power: -i } : {}) });
      history.append({ host, at: start - 1000 * i, devices: [{ level: "gpu", key: "=GPU,1", index: 0, values }] });
    }
  }
  const scene = new RosterFixture({ a: "x:1", b: "x:1" });
  scene.write({ hosts: [{ name: "a", shown: "@Blue" }] });
  const zone = new Zone("Asia/Shanghai");
  const hub = { ...viewOf({ live, history, clock, zone: () => zone }), roster: scene.roster };
  app = application([await rest.open(hub, {})], { log: silent, entry: hub.identity });
});

const text = async (path: string): Promise<string> =>
  (await app.request(path, { headers: { accept: "text/csv" } })).text();
const json = async (path: string) => jsonOf(await app.request(path));
const rows = (csv: string): string[][] =>
  csv
    .trimEnd()
    .split("\r\n")
    .map((line) => line.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/));
const iso = (at: number): string => new Date(at).toISOString();

const range = `from=${start - 1_200_000}&to=${start}`;

test("series as CSV have every number of the JSON, a line each; what is absent is empty, and keys are defused", async () => {
  const query = `host=a&metric=gpu_utilization,gpu_power&step=0&of=avg,last&${range}`;
  const { series } = await json(`/api/history?${query}`);
  const [head, ...lines] = rows(await text(`/api/v1/history?${query}`));
  expect(head).toEqual(["time", "host", "level", "key", "metric", "unit", "avg", "last"]);
  const wanted = (series as { metric: string; unit: string; t: number[]; avg: number[]; last: number[] }[]).flatMap(
    ({ metric, unit, t, avg, last }) =>
      t.map((at, i) => [iso(at), "a", "gpu", `"'=GPU,1"`, metric, unit, String(avg[i]), String(last[i])]),
  );
  expect(wanted.length).toBe(1200 + 400);
  expect(lines).toEqual(wanted);
});

test("the fleet as CSV has every number of the JSON, and names that are shown are defused", async () => {
  const query = `metric=gpu_power&by=host&step=${5 * minute}&${range}`;
  const { groups } = await json(`/api/fleet/history?${query}`);
  const [head, ...lines] = rows(await text(`/api/v1/fleet/history?${query}`));
  expect(head).toEqual(["time", "metric", "unit", "host", "series", "avg", "min", "max", "sum", "count"]);
  type Group = Record<"t" | "avg" | "min" | "max" | "sum" | "count", number[]> & { name: string; series: number };
  const wanted = (groups as Group[]).flatMap(({ name, series, t, avg, min, max, sum, count }) =>
    t.map((at, i) => [
      ...[iso(at), "gpu_power", "milliwatts", name === "@Blue" ? "'@Blue" : name],
      ...[series, avg[i], min[i], max[i], sum[i], count[i]].map(String),
    ]),
  );
  expect(new Set(wanted.map(([, , , name]) => name))).toEqual(new Set(["'@Blue", "b"]));
  expect(lines).toEqual(wanted);
});

test.each([
  ["as ISO 8601", iso(start - 10 * minute), iso(start)],
  ["with the hub's offset", "2027-01-15T15:50:00%2B08:00", "2027-01-15T16:00:00%2B08:00"],
  ["with a plus that was not encoded", "2027-01-15T15:50:00+08:00", "2027-01-15T16:00:00+08:00"],
  ["in the hub's time zone", "2027-01-15T15:50", "2027-01-15 16:00:00"],
])("times %s are those in milliseconds", async (_, from, to) => {
  const query = `host=a&metric=gpu_utilization&step=${minute}`;
  const wanted = await json(`/api/history?${query}&from=${start - 10 * minute}&to=${start}`);
  expect(wanted.series[0].t.length).toBe(10);
  expect(await json(`/api/v1/history?${query}&from=${from}&to=${to}`)).toEqual(wanted);
});

test("without a form the answers are those of the older routes, protobuf too", async () => {
  const query = `host=a&metric=gpu_utilization&${range}`;
  expect(await json(`/api/v1/history?${query}`)).toEqual(await json(`/api/history?${query}`));
  const fleet = `metric=gpu_power&by=model&${range}`;
  expect(await json(`/api/v1/fleet/history?${fleet}`)).toEqual(await json(`/api/fleet/history?${fleet}`));
  const packed = await app.request(`/api/v1/history?${query}`, { headers: { accept: "application/x-protobuf" } });
  expect(packed.headers.get("content-type")).toBe("application/x-protobuf");
  // Who names both gets what the parameter says.
  const both = await app.request(`/api/v1/history?${query}&format=csv`, {
    headers: { accept: "application/x-protobuf" },
  });
  expect(both.headers.get("content-disposition")).toBe('attachment; filename="history.csv"');
});

test("the end before the start, as a mistyped name, is refused as in the older routes", async () => {
  const query = "host=a&metric=gpu_utilization";
  expect((await json(`/api/v1/history?${query}&from=2027-01-15&to=2027-01-14`)).error).toMatchObject({
    code: "bad_request",
    message: expect.stringContaining('"from" must be before "to"'),
  });
  expect((await json(`/api/v1/history?${query}&form=2027-01-15`)).error.message).toBe(
    'There is no parameter "form": did you mean "from"?',
  );
});
