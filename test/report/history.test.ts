// The built hub reads the Netdata of a node into its history: what API, queries of the logger and the page's feed say of it.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type HubFolder, hubFolder, type RunningHub, startHub, view } from "../hub.ts";
import { top } from "../program.ts";
import { PlayedNetdata } from "./netdata.ts";

const patience = { timeout: 20_000, interval: 50 };
const hour = 3600;

let at: HubFolder;
let hub: RunningHub | undefined;
let netdata: PlayedNetdata;

beforeEach(async () => {
  at = hubFolder();
  netdata = await PlayedNetdata.start();
});
afterEach(async () => {
  await hub?.stop();
  hub = undefined;
  await netdata.stop();
  at.remove();
});

const gohm = (word: string, hub: string) => {
  const { status, stdout } = spawnSync(process.execPath, [join(top, "dist", "gohm"), word], {
    env: { PATH: process.env.PATH, GOHM_HUB: hub },
    encoding: "utf8",
    timeout: 20_000,
  });
  return { status, output: stdout };
};

const ask = async (path: string, body?: object) => {
  const init = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return await (await fetch(`${hub?.url}${path}`, init)).json();
};

test("rows of Netdata are history: by hour, of the card that they are of, and the host is shown, but not as live", async () => {
  const now = Math.floor(Date.now() / 1000);
  const midnight = now - (now % 86_400);
  // Each interval has the number of its hour, and a fraction.
  const gpu = (end: number): number => (((end - 1) % 86_400) - ((end - 1) % hour)) / hour + 0.25;
  const node = { model: "AMD_Instinct_MI300X", gpu, used: () => 2 ** 33, total: 2 ** 34 };
  netdata.nodes.set("colab", {
    cards: [
      { card: 1, gpu: () => 0 },
      { card: 9, ...node },
    ],
    since: midnight - 86_400 + 1,
  });
  at.write({
    servers: {},
    hub: { timezone: "UTC" },
    reports: { nodes: { "colab-gpu1": { netdata: netdata.url("colab") } } },
  });
  hub = await startHub(at);
  const viewer = view(hub.url);
  const reason = expect.stringMatching(/^its Netdata gives means of 10 minutes/);
  await expect.poll(() => ask("/api/v1/hosts/colab-gpu1"), patience).toMatchObject({ state: "history", reason });
  const status = gohm("status", hub.url);
  expect(status).toEqual({ status: 0, output: expect.stringMatching(/^status +ok$[\s\S]*^history only +1$/m) });

  const day = new Date((midnight - 86_400) * 1000).toISOString().slice(0, 10);
  const hourly = await ask("/api/gpu/hourly-usage", {
    ...{ start_date: day, end_date: day, gpu_id: 1, client_name: "colab-gpu1" },
  });
  expect(
    hourly.data.chart_data.map((row: { hour: number; utilization: number }) => [row.hour, row.utilization]),
  ).toEqual(Array.from({ length: 24 }, (_, i) => [i, i + 0.25]));

  const [begin, end] = [midnight - hour, midnight].map((at) => new Date(at * 1000).toISOString());
  const query = `host=colab-gpu1&key=%231&metric=gpu_utilization,gpu_memory_used&from=${begin}&to=${end}&step=0`;
  const { series } = await ask(`/api/v1/history?${query}`);
  const times = Array.from({ length: 6 }, (_, i) => (midnight - hour + i * 600 + 300) * 1000);
  const of = (metric: string) => series.find((one: { metric: string }) => one.metric === metric);
  expect(of("gpu_utilization")).toMatchObject({ t: times, avg: times.map(() => 23.25) });
  expect(of("gpu_memory_used")).toMatchObject({ t: times, avg: times.map(() => 2 ** 33) });

  // An interval of the last hour is what is known last, and the card is neither free nor held.
  const { gpus } = await ask("/api/v1/gpus?host=colab-gpu1");
  expect(gpus.map((one: { index: number; verdict: string }) => [one.index, one.verdict])).toEqual([
    [0, "unknown"],
    [1, "unknown"],
  ]);
  await expect
    .poll(() => viewer.hosts.get("colab-gpu1")?.info?.gpus.map(({ name }) => name ?? ""), patience)
    .toEqual(["", "AMD Instinct MI300X"]);
  viewer.close();
});
