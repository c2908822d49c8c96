// The built gohm report: interrupted, and with the history of a running hub.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { type Program, start } from "../program.ts";
import { PlayedNetdata } from "../report/netdata.ts";
import { filesIn } from "../report/place.ts";
import { runGohm } from "./gohm.ts";

const date = "2025-08-01";
const header =
  "timestamp,gpu_id,gpu_name,utilization_gpu,utilization_memory,memory_total,memory_used,memory_free,temperature,power_draw,power_limit,fan_speed,client_name";

let at: HubFolder;
let netdata: PlayedNetdata;
let hub: RunningHub | undefined;
let program: Program | undefined;

beforeEach(async () => {
  at = hubFolder();
  mkdirSync(at.data);
  netdata = await PlayedNetdata.start();
});

afterEach(async () => {
  await program?.stop("SIGKILL");
  await hub?.stop();
  hub = program = undefined;
  await netdata.stop();
  at.remove();
});

test.each(["SIGINT", "SIGTERM"] as const)("%s ends a report at once, with no file that is half", async (signal) => {
  for (const name of ["quick", "slow"]) {
    const cards = [{ card: 0, gpu: () => 1, vram: () => 1 }];
    netdata.nodes.set(name, { cards, ...(name === "slow" ? { fault: "hang" as const } : {}) });
  }
  const nodes = Object.fromEntries(["quick", "slow"].map((name) => [name, { netdata: netdata.url(name) }]));
  at.write({ reports: { nodes, timezone: "UTC" } });
  const env = { GOHM_SETTINGS: at.settings, GOHM_DATA: at.data };
  program = start("gohm.mjs", ["report", date], env);
  await expect.poll(() => netdata.requests.filter(({ node }) => node === "slow").length, { timeout: 20_000 }).toBe(1);
  expect(await program.stop(signal)).toBe(130);
  expect(program.output()).toMatch(/ warn Interrupted: reports that are not listed above were not written\n$/);
  expect(filesIn(at.data)).toEqual({});
});

test("a node of a host has its rows from the history of the hub that runs", async () => {
  at.write({
    servers: {},
    hub: { timezone: "UTC" },
    reports: { nodes: { "h100-1": { host: "node4", cards: [3, 7] } } },
  });
  hub = await startHub(at);
  const rows = Array.from({ length: 288 }, (_, i) => {
    const time = new Date(Date.parse(`${date}T00:00:30Z`) + i * 300_000).toISOString().slice(0, 19).replace("T", " ");
    return [0, 1].map(
      (gpu) => `${time},${gpu},NVIDIA H100,${gpu === 0 ? i % 2 : 50},0,1000,${250 * (gpu + 1)},0,40,70,700,0,node4`,
    );
  });
  writeFileSync(join(at.folder, "gpu_metrics_20250801.csv"), `${[header, ...rows.flat()].join("\r\n")}\r\n`);
  const env = { GOHM_SETTINGS: at.settings, GOHM_DATA: at.data };
  expect(runGohm(["import", join(at.folder, "gpu_metrics_20250801.csv")], env).status).toBe(0);
  const { status, stderr, stdout } = runGohm(["report", date, "-P"], env);
  expect([status, stdout.split("\n")[1]]).toEqual([0, "h100-1|complete|288|288|yes|"]);
  expect(stderr).toMatch(/ info h100-1: complete, 288 of 288 rows\n$/);
  const files = filesIn(join(at.data, "reports", "h100-1", date));
  expect(files[`average_${date}.csv`]).toBe(
    "GPU編號,平均GPU使用率(%),平均VRAM使用率(%),使用者\nGPU[0],0.50,25.00,未使用\nGPU[1],50.00,50.00,未使用\n全部平均,25.25,37.50,所有使用者\n",
  );
  expect(files[`gpu0_${date}.csv`]?.split("\n").slice(1, 3)).toEqual([
    '1754007000,"2025-08-01 00:10:00",0.5,25.0',
    '1754007600,"2025-08-01 00:20:00",0.5,25.0',
  ]);
  await hub.stop();
  const again = runGohm(["report", date], env);
  // All of the day is there.
  expect(again.status).toBe(0);
  expect(again.stderr).toContain("warn h100-1: No hub runs on the data folder");
  expect(filesIn(join(at.data, "reports", "h100-1", date))).toEqual(files);
});
