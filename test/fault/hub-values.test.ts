// What a host may say, and what may be asked, that is out of all measure: through the whole hub.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Info, machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";

let at: HubFolder;
let host: PlayedHost;
let hub: RunningHub;
let said: () => Info;
const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 20_000, interval: 50 });
const day = 86_400_000;

beforeEach(async () => {
  at = hubFolder();
  said = () => machine(Date.now());
  host = await playHost(() => said());
  at.write({ servers: { a: host.address }, poll: { interval: 1 } });
  hub = await startHub(at);
});

afterEach(async () => {
  await hub.stop();
  host.close();
  at.remove();
});

interface HistoryJson {
  readonly series: readonly { metric: string; t: number[]; last?: (number | null)[]; max?: (number | null)[] }[];
}

async function ask(query: string): Promise<HistoryJson> {
  const response = await fetch(`${hub.url}/api/history?host=a&${query}`);
  expect([response.status, await response.clone().text()]).toEqual([200, expect.stringMatching(/^\{/)]);
  return (await response.json()) as HistoryJson;
}

test("NaN and values that no machine can have are absent, also after kill and restart", async () => {
  said = () => {
    const { sampled } = machine(Date.now());
    return {
      agentVersion: "0",
      ...(sampled === undefined ? {} : { sampled }),
      cpu: { busy: Number.NaN, iowait: -5, temp: 2 ** 32 - 1 },
      memory: { total: 2n ** 53n - 1n, used: 2n ** 63n, cached: 2n ** 64n - 1n, swapUsed: 0n },
      system: { load1: 99_999 },
      gpus: [{ id: 0, uuid: "GPU-0", utilization: 808_334_905, memUsed: 9n, memTotal: 8n, temp: 40 }],
    };
  };
  const names =
    "cpu_utilization,cpu_iowait,cpu_temperature,memory_total,memory_used,memory_cached,swap_used,load1," +
    "gpu_utilization,gpu_memory_used,gpu_memory_total,gpu_temperature";
  const newest = async (): Promise<Record<string, number | null | undefined>> => {
    const { series } = await ask(`metric=${names}&step=0&of=last&from=0`);
    return Object.fromEntries(series.map(({ metric, last }) => [metric, last?.at(-1)]));
  };
  const wanted = {
    memory_total: 2 ** 53 - 1,
    swap_used: 0,
    load1: 99_999,
    gpu_memory_total: 8,
    gpu_temperature: 40,
  };
  await until(async () => expect(await newest()).toMatchObject(wanted));
  // No number, integers beyond what a double holds (NVML's "not available" is 2^64 - 1), and what is out of all measure.
  const told = await newest();
  const absent = ["cpu_utilization", "cpu_iowait", "cpu_temperature", "memory_used", "memory_cached"];
  for (const name of [...absent, "gpu_utilization", "gpu_memory_used"]) expect(told[name], name).toBeUndefined();
  // The first of three is more than a second old.
  const count = async () => (await ask("metric=load1&step=0&of=last&from=0")).series[0]?.t.length;
  await until(async () => expect(await count()).toBeGreaterThanOrEqual(3));
  await hub.stop("SIGKILL");
  said = () => machine(Date.now());
  hub = await startHub(at);
  // From before the kill.
  const { series } = await ask(`metric=${names}&step=86400000&of=max,last&from=0`);
  expect(series.find(({ metric }) => metric === "load1")?.max).toContain(99_999);
  expect(hub.output()).not.toMatch(/error/);
});

test.each([
  ["ten years by the day", `from=${Date.now() - 3650 * day}&to=${Date.now() + day}&step=${day}`],
  ["ten years of every sample", `from=${Date.now() - 3650 * day}&to=${Date.now() + day}&step=0`],
  ["ten years without a step", `from=${Date.now() - 3650 * day}&to=${Date.now() + day}`],
  ["from 1970 to 2899", `from=0&to=${Date.UTC(2899, 11, 31)}&step=${day}`],
  ["every millisecond of a year", `from=${Date.now() - 365 * day}&to=${Date.now() + day}&step=1`],
])("%s is answered with the samples that exist", async (_, range) => {
  await until(async () => expect((await ask(`metric=load1&${range}`)).series[0]?.t.length).toBeGreaterThanOrEqual(1));
});

test.each(["from=x", "from=NaN", "step=-1", "step=1e999", "to=Infinity&from=Infinity", "most=0", "of=median"])(
  "%s is refused in a sentence, and the hub goes on",
  async (query) => {
    await until(async () => expect((await ask("metric=load1&from=0&step=0")).series).toHaveLength(1));
    const response = await fetch(`${hub.url}/api/history?host=a&metric=load1&${query}`);
    expect(response.status).toBe(400);
    expect(await response.text()).toMatch(/"code":"bad_request"/);
    expect((await ask("metric=load1&from=0&step=0")).series).toHaveLength(1);
  },
);
