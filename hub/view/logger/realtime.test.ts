// The newest five minutes, as the newest server of the GPU Metrics Logger answers them.
import { beforeEach, expect, test } from "vitest";
import { LoggerFixture } from "../../../test/logger-query.ts";

let scene: LoggerFixture;
beforeEach(async () => {
  scene = new LoggerFixture();
  await scene.open();
});

const zeros = {
  utilization_gpu: 0,
  temperature: 0,
  memory_used_percent: 0,
  power_draw: 0,
  gpu_count: 0,
  client_count: 0,
};

test("means of all samples from five minutes before the newest one on, that moment included", async () => {
  const old = { gpu_utilization: 100, gpu_temperature: 100, gpu_memory_utilization: 100, gpu_power: 900_000 };
  scene.put("2026-11-27 07:55:00.122", old);
  scene.put("2026-11-27 07:55:00.123", {
    gpu_utilization: 10.5,
    gpu_temperature: 40,
    gpu_memory_utilization: 1.25,
    gpu_power: 100_500,
  });
  scene.put("2026-11-27 08:00:00.123", {
    gpu_utilization: 20,
    gpu_temperature: 41,
    gpu_memory_utilization: 3,
    gpu_power: 200_000,
  });
  scene.put("2026-11-27 08:00:00", { gpu_utilization: 60, gpu_temperature: 42 }, { host: "gpu2", index: 3 });
  expect(await scene.ask("realtime")).toEqual({
    ...{ timestamp: "2026-11-27 08:00:00", type: "average", scope: "all_clients_all_gpus" },
    ...{ utilization_gpu: 30.17, temperature: 41, memory_used_percent: 2.12, power_draw: 150.25 },
    ...{ gpu_count: 2, client_count: 2 },
  });
});

test.each([
  [[40, 41], 40],
  [[41, 42], 42],
  [[40, 40, 41], 40],
])("a temperature of %j is %d: whole degrees, a tie to the even one", async (values, mean) => {
  for (const [i, gpu_temperature] of values.entries()) scene.put(`2026-11-27 08:00:0${i}`, { gpu_temperature });
  expect(await scene.ask("realtime")).toMatchObject({ temperature: mean, utilization_gpu: 0, gpu_count: 1 });
});

test.each([
  // Records of 10 W, 10 W and 10.01 W; the mean of what was measured is 10.0057 W.
  [[10_004, 10_004, 10_009], 10],
  // 71.545 W are 71.55 W in a record, as Python rounds them, and 71.535 W are 71.53 W.
  [[71_545], 71.55],
  [[71_535], 71.53],
])("power of %j mW is %d W: the mean of records, which have watts with two decimals", async (values, mean) => {
  for (const [i, gpu_power] of values.entries()) scene.put(`2026-11-27 08:00:0${i}`, { gpu_power });
  expect(await scene.ask("realtime")).toMatchObject({ power_draw: mean });
});

test.each([
  [{}, "all_clients_all_gpus"],
  [{ gpu_id: null, client_name: null }, "all_clients_all_gpus"],
  [{ client_name: "gpu1" }, "single_client_all_gpus"],
  [{ client_name: "" }, "single_client_all_gpus"],
  [{ gpu_id: "0" }, "all_clients_single_gpu"],
  [{ gpu_id: 0, client_name: "gpu1" }, "single_client_single_gpu"],
  [{ gpu_id: 0, client_name: "" }, "single_client_single_gpu"],
  [{ gpu_id: 1 }, "no_recent_data"],
  [{ client_name: "nobody" }, "no_recent_data"],
  // Its newest sample is older than the newest five minutes of all.
  [{ client_name: "gpu2" }, "no_recent_data"],
])("%j has the scope %s", async (filter, scope) => {
  scene.put("2026-11-27 07:50:00", { gpu_utilization: 50 }, { host: "gpu2" });
  scene.put("2026-11-27 08:00:00", { gpu_utilization: 10 });
  const data = await scene.ask("realtime", filter);
  const none = scope === "no_recent_data";
  expect(data).toEqual({
    ...{ timestamp: "2026-11-27 08:00:00", type: "average", scope },
    ...(none ? zeros : { ...zeros, utilization_gpu: 10, gpu_count: 1, client_count: 1 }),
  });
});

test("a GPU counts whose only sample is five minutes older than the newest one, and one with an older sample does not", async () => {
  scene.put("2026-11-27 07:54:59.999", { gpu_utilization: 30 }, { host: "gpu2" });
  scene.put("2026-11-27 07:55:00", { gpu_utilization: 50 }, { host: "gpu3" });
  scene.put("2026-11-27 08:00:00", { gpu_utilization: 10 });
  expect(await scene.ask("realtime")).toMatchObject({ utilization_gpu: 30, gpu_count: 2, client_count: 2 });
  expect(await scene.ask("realtime", { client_name: "gpu3" })).toMatchObject({ utilization_gpu: 50, gpu_count: 1 });
});

test("without any data it is now", async () => {
  expect(await scene.ask("realtime", { client_name: "gpu1" })).toEqual({
    ...{ timestamp: "2026-11-28 08:30:05", type: "average", scope: "no_data" },
    ...zeros,
  });
});
