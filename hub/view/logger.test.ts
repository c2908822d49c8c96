// The queries of the GPU Metrics Logger, sentence by sentence as its newest server answers them.
import { create } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, test } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { LoggerFixture, now } from "../../test/logger-query.ts";

let scene: LoggerFixture;
beforeEach(async () => {
  scene = new LoggerFixture();
  await scene.open();
});

const oneDay = { start_date: "2026-11-27", end_date: "2026-11-27" };
const nobody = { gpu_id: null, client_name: null };

describe("statistics", () => {
  test("means of the samples, of the hours and of the days, over all cards together", async () => {
    scene.put("2026-11-26 23:59:59", { gpu_utilization: 100 });
    for (const value of [10, 20, 30]) scene.put(`2026-11-27 08:00:${value}`, { gpu_utilization: value });
    scene.put("2026-11-27 09:00:00", { gpu_utilization: 80.5 }, { host: "gpu2", index: 1 });
    expect(await scene.ask("statistics")).toEqual({
      // (100 + 20 + 80.5) / 3, (100 + 140.5 / 4) / 2, 240.5 / 5
      ...{ hourly_average: 66.83, daily_average: 67.56, period_average: 48.1 },
      ...{ max_utilization: 100, min_utilization: 10, period: { start_date: null, end_date: null }, ...nobody },
    });
  });

  test("the last day is in it to its end, and only one end may be given; what was given is repeated", async () => {
    scene.put("2026-11-26 23:59:59.999", { gpu_utilization: 1 });
    scene.put("2026-11-27 00:00:00", { gpu_utilization: 2 });
    scene.put("2026-11-27 23:59:59.999", { gpu_utilization: 4 });
    scene.put("2026-11-28 00:00:00", { gpu_utilization: 8 });
    const extremes = async (dates: object): Promise<unknown> => {
      const { min_utilization, max_utilization, period } = await scene.ask("statistics", dates);
      return [min_utilization, max_utilization, period];
    };
    expect(await extremes(oneDay)).toEqual([2, 4, oneDay]);
    expect(await extremes({ start_date: "2026-11-27" })).toEqual([2, 8, { start_date: "2026-11-27", end_date: null }]);
    expect(await extremes({ start_date: "", end_date: "2026-11-27" })).toEqual([
      ...[1, 4],
      { start_date: "", end_date: "2026-11-27" },
    ]);
    expect(await extremes({ start_date: "0001-01-01", end_date: "9999-12-31" })).toMatchObject([1, 8, {}]);
  });

  test.each([
    // Of the exact value of the double, and a tie goes to the even digit.
    [[0.12, 0.13], 0.12],
    [[2.67, 2.68], 2.67],
    [[0.37, 0.38], 0.38],
    [[33.33, 33.33, 33.34], 33.33],
  ])("the mean of %j is %d, as Python rounds it", async (values, mean) => {
    for (const [i, gpu_utilization] of values.entries()) scene.put(`2026-11-27 08:00:0${i}`, { gpu_utilization });
    expect(await scene.ask("statistics")).toMatchObject({
      ...{ period_average: mean, hourly_average: mean, daily_average: mean },
    });
  });

  test("a mean of means is that of an exact sum, as Python's fsum makes it", async () => {
    // Added up one by one, these are less by the last bit, and the mean is 48.83.
    for (const [i, gpu_utilization] of [13.88, 98.49, 3.58, 79.39].entries()) {
      scene.put(`2026-11-27 0${i}:00:00`, { gpu_utilization });
    }
    expect(await scene.ask("statistics")).toMatchObject({ hourly_average: 48.84 });
  });

  test("zeros for an unknown client, an unknown GPU, a range without samples and one that ends before it starts", async () => {
    scene.put("2026-11-27 08:00:00", { gpu_utilization: 50 });
    const zeros = {
      ...{ hourly_average: 0, daily_average: 0, period_average: 0, max_utilization: 0, min_utilization: 0 },
    };
    for (const body of [
      { client_name: "nobody" },
      { gpu_id: 9 },
      { gpu_id: -1 },
      { start_date: "2026-11-28" },
      { start_date: "2026-11-28", end_date: "2026-11-27" },
      { end_date: "1969-12-31" },
    ]) {
      expect(await scene.ask("statistics", body)).toMatchObject(zeros);
    }
  });
});

describe("charts", () => {
  test("every hour of the range is there, 0 without samples, and the mean of all cards otherwise", async () => {
    scene.put("2026-11-27 08:59:59.999", { gpu_utilization: 25.5 });
    scene.put("2026-11-27 08:00:00", { gpu_utilization: 26 }, { host: "gpu2" });
    scene.put("2026-11-28 00:00:00", { gpu_utilization: 7 });
    const { chart_data, ...rest } = await scene.ask("hourly-usage", { ...oneDay, end_date: "2026-11-28" });
    expect(rest).toEqual({ period: { ...oneDay, end_date: "2026-11-28" }, ...nobody });
    const hours = Array.from({ length: 48 }, (_, i) => ({
      date: i < 24 ? "2026-11-27" : "2026-11-28",
      hour: i % 24,
      utilization: i === 8 ? 25.75 : i === 24 ? 7 : 0,
    }));
    expect(chart_data).toEqual(hours);
  });

  test("every day of the range is there, with its least and greatest sample, over more than a year each with its own", async () => {
    scene.put("2025-11-27 08:00:00", { gpu_utilization: 12.25 });
    scene.put("2026-11-27 08:00:00", { gpu_utilization: 50 });
    scene.put("2026-11-27 09:00:00", { gpu_utilization: 99.99 });
    const range = { start_date: "2025-11-27", end_date: "2026-11-28" };
    const { chart_data, ...rest } = await scene.ask("daily-usage", range);
    expect(rest).toEqual({ period: range, ...nobody });
    expect(chart_data).toHaveLength(367);
    expect(chart_data.filter(({ max_utilization }: { max_utilization: number }) => max_utilization > 0)).toEqual([
      { date: "11/27", min_utilization: 12.25, max_utilization: 12.25 },
      { date: "11/27", min_utilization: 50, max_utilization: 99.99 },
    ]);
    expect([chart_data[0].date, chart_data[365].date, chart_data[366]]).toEqual([
      ...["11/27", "11/27"],
      { date: "11/28", min_utilization: 0, max_utilization: 0 },
    ]);
  });

  test("nobody has a full chart of zeros, and a range that ends before it starts an empty one", async () => {
    const unknown = { ...oneDay, client_name: "nobody", gpu_id: "3" };
    const { chart_data, gpu_id, client_name } = await scene.ask("hourly-usage", unknown);
    expect([chart_data.length, gpu_id, client_name]).toEqual([24, 3, "nobody"]);
    expect(new Set(chart_data.map(({ utilization }: { utilization: number }) => utilization))).toEqual(new Set([0]));
    for (const query of ["hourly-usage", "daily-usage"]) {
      const backwards = { start_date: "2026-11-28", end_date: "2026-11-27" };
      expect(await scene.ask(query, backwards)).toEqual({ chart_data: [], period: backwards, ...nobody });
    }
  });

  test("ten years by hours are one answer", async () => {
    scene.put("2026-11-27 08:00:00", { gpu_utilization: 50 });
    const { chart_data } = await scene.ask("hourly-usage", { start_date: "2020-01-01", end_date: "2029-12-31" });
    expect(chart_data).toHaveLength(24 * 3653);
    expect(chart_data.filter(({ utilization }: { utilization: number }) => utilization > 0)).toEqual([
      { date: "2026-11-27", hour: 8, utilization: 50 },
    ]);
  });
});

describe("which cards", () => {
  beforeEach(() => {
    scene.put("2026-11-27 08:00:00", { gpu_utilization: 10 });
    scene.put("2026-11-27 08:00:00", { gpu_utilization: 20 }, { index: 1 });
    scene.put("2026-11-27 08:00:00", { gpu_utilization: 40 }, { host: "gpu2" });
    scene.put("2026-11-27 08:00:00", { gpu_utilization: 80 }, { host: "gpu2", index: 1 });
  });

  test.each([
    [{}, 37.5],
    [{ gpu_id: null, client_name: null }, 37.5],
    [{ client_name: "" }, 37.5],
    [{ gpu_id: 1 }, 50],
    [{ gpu_id: "1" }, 50],
    [{ gpu_id: " 1 " }, 50],
    [{ gpu_id: 1.0, client_name: "" }, 50],
    [{ client_name: "gpu2" }, 60],
    [{ client_name: "gpu2", gpu_id: 0 }, 40],
    [{ client_name: "GPU2" }, 0],
    [{ anything: "else" }, 37.5],
  ])("%j is about those with a mean of %d", async (filter, mean) => {
    expect((await scene.ask("statistics", filter)).period_average).toBe(mean);
    const { chart_data } = await scene.ask("hourly-usage", { ...filter, ...oneDay });
    expect(chart_data[8].utilization).toBe(mean);
  });

  test("a host is a client of its own name in answers, as in files, and of either name in questions", async () => {
    scene.roster.write({ hosts: [{ name: "gpu2", shown: "Blue" }] });
    for (const client_name of ["Blue", "gpu2"]) {
      expect(await scene.ask("statistics", { client_name })).toMatchObject({ period_average: 60, client_name });
      expect((await scene.ask("list", { client_name })).map((gpu: { client_name: string }) => gpu.client_name)).toEqual(
        ["gpu2", "gpu2"],
      );
    }
  });

  test("the history of a host that is gone is under its name, also where another one is shown under it now", async () => {
    scene.put("2026-11-27 08:00:00", { gpu_utilization: 90 }, { host: "Blue" });
    scene.roster.write({ hosts: [{ name: "gpu2", shown: "Blue" }] });
    const gpus = await scene.ask("list", { client_name: "Blue" });
    expect(gpus.map((gpu: { client_name: string }) => gpu.client_name)).toEqual(["Blue", "gpu2", "gpu2"]);
    expect(await scene.ask("statistics", { client_name: "Blue" })).toMatchObject({ period_average: 70 });
  });

  test("cards that replaced one another are one GPU, and an instance of a card is none", async () => {
    scene.put("2026-11-27 08:00:05", { gpu_utilization: 70 }, { key: "GPU-new" });
    scene.put("2026-11-27 08:00:05", { gpu_utilization: 100 }, { key: "MIG-4f3" });
    scene.put("2026-11-27 08:00:05", { gpu_utilization: 100 }, { key: "GPU-part" });
    scene.live.expect("gpu1", "x:1");
    const gpus = [
      { uuid: "GPU-new", name: "H100" },
      { uuid: "GPU-part", parent: "GPU-new" },
    ];
    scene.live.received("gpu1", create(HostInfoSchema, { gpus }));
    expect(await scene.ask("statistics", { gpu_id: 0, client_name: "gpu1" })).toMatchObject({ period_average: 40 });
    expect(await scene.ask("list", { client_name: "gpu1" })).toMatchObject([
      { gpu_id: 0, gpu_name: "H100", last_update: "2026-11-27 08:00:05" },
      { gpu_id: 1, gpu_name: "", last_update: "2026-11-27 08:00:00" },
    ]);
    expect(await scene.ask("realtime", { client_name: "gpu1" })).toMatchObject({ gpu_count: 2, client_count: 1 });
  });

  test("a machine that waits for approval is in no answer, until it is approved", async () => {
    scene.roster.write({ nodes: [{ hostname: "gpu2" }] });
    expect(await scene.ask("statistics")).toMatchObject({ period_average: 15 });
    expect(await scene.ask("statistics", { client_name: "gpu2" })).toMatchObject({ period_average: 0 });
    expect(await scene.ask("list")).toHaveLength(2);
    expect(await scene.ask("realtime")).toMatchObject({ utilization_gpu: 15, client_count: 1 });
    scene.roster.write({ nodes: [{ hostname: "gpu2", state: "approved" }] });
    expect(await scene.ask("statistics")).toMatchObject({ period_average: 37.5 });
    // What history has of a host that is gone does not disappear because a stranger waits under its name.
    scene.roster.write({ nodes: [{ hostname: "gpu2", history: now }] });
    expect(await scene.ask("statistics")).toMatchObject({ period_average: 37.5 });
  });
});

test("the list has every GPU by client and index, with model and time of its newest sample", async () => {
  scene.put("2026-11-27 08:00:00", { gpu_utilization: 1 }, { host: "gpu2", index: 10 });
  scene.put("2026-11-27 08:00:01.999", { gpu_power: 1 }, { host: "gpu2", index: 9, key: "GPU-9" });
  scene.put("2026-11-27 08:00:00", { gpu_utilization: 1 }, { host: "gpu10" });
  scene.live.expect("gpu2", "x:1");
  scene.live.received("gpu2", create(HostInfoSchema, { gpus: [{ uuid: "GPU-9", name: "NVIDIA H100" }] }));
  const active = { gpu_name: "", status: "active", last_update: "2026-11-27 08:00:00" };
  expect(await scene.ask("list")).toEqual([
    { ...active, client_name: "gpu10", gpu_id: 0 },
    { ...active, client_name: "gpu2", gpu_id: 9, gpu_name: "NVIDIA H100", last_update: "2026-11-27 08:00:01" },
    { ...active, client_name: "gpu2", gpu_id: 10 },
  ]);
  expect(await scene.ask("list", { client_name: "nobody" })).toEqual([]);
});
