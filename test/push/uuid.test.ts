// A machine of the Lab Exporter, whose reports know cards by their indices, that gets hmonitor, which knows their uuids.
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { type Info, machine, playHost } from "../host.ts";
import { sampleType } from "../hostile.ts";
import { type LocalHub, localHub } from "../local.ts";

const patience = { timeout: 20_000, interval: 20 };
const model = "NVIDIA H100";
let hub: LocalHub;

beforeEach(async () => {
  hub = await localHub({ push: { register: "open" } });
});

afterEach(() => hub.close());

async function post(
  path: string,
  token: string,
  type: string,
  body: string | Uint8Array<ArrayBuffer>,
): Promise<unknown> {
  const answer = await fetch(`${hub.url}/api/monitoring/${path}`, {
    method: "POST",
    headers: {
      "Content-Type": type,
      Date: new Date().toUTCString(),
      ...(token === "" ? {} : { Authorization: `Bearer ${token}` }),
    },
    body,
  });
  const said: unknown = await answer.json();
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${JSON.stringify(said)}`);
  return said;
}

async function register(hostname: string): Promise<string> {
  const body = JSON.stringify({ hostname, capabilities: {} });
  return ((await post("register", "", "application/json", body)) as { token: string }).token;
}

/** Reports as the Lab Exporter does. */
async function exporter(token: string, hostname: string, uptimeSeconds = 3600): Promise<void> {
  const gpus = [0, 1].map((index) => ({
    ...{ index, name: model, utilizationPct: 40, memoryUsedMB: 100, memoryTotalMB: 81_559 },
    ...{ temperatureC: 50 + index, powerDrawW: 300, powerLimitW: 700 },
  }));
  await post("report", token, "application/json", JSON.stringify({ hostname, ip: "10.0.0.7", uptimeSeconds, gpus }));
}

const sample = (uptime: number): Exclude<Info, { $typeName: string }> => ({
  ...(machine(Date.now()) as Exclude<Info, { $typeName: string }>),
  system: { bootId: "one", uptime: BigInt(uptime) },
});

/** Reports as hmonitor does. */
async function agent(token: string, uptime = 3600): Promise<void> {
  const body = toBinary(HostInfoSchema, create(HostInfoSchema, sample(uptime)));
  await post("report", token, sampleType, body);
}

/** Keys of the cards of a host in `/api/history`, each with the number of its samples. */
async function series(host: string, key?: string): Promise<[string, number][]> {
  const more = key === undefined ? "" : `&key=${encodeURIComponent(key)}`;
  const answer = await fetch(`${hub.url}/api/history?host=${host}&metric=gpu_temperature&step=0${more}`);
  if (answer.status !== 200) throw new Error(await answer.text());
  const { series } = (await answer.json()) as { series: { key: string; t: number[] }[] };
  return series.map(({ key, t }) => [key, t.length]);
}

test("a machine of the Lab Exporter that gets hmonitor goes on in the same series; old links find them", async () => {
  const before = await register("lab1");
  for (let i = 0; i < 3; i++) await exporter(before, "lab1");
  expect(await series("lab1")).toEqual([
    ["#0", 3],
    ["#1", 3],
  ]);
  await hub.reset("lab1");
  const after = await register("lab1");
  for (let i = 0; i < 2; i++) await agent(after);
  const joined = [
    ["GPU-0", 5],
    ["GPU-1", 5],
  ];
  expect(await series("lab1")).toEqual(joined);
  expect(hub.live.host("lab1")?.info?.gpus.map(({ uuid }) => uuid)).toEqual(["GPU-0", "GPU-1"]);
  expect(await series("lab1", "#1")).toEqual([["GPU-1", 5]]);
  await expect(series("lab1", "#2")).rejects.toThrow("device_unknown");
  // The exporter is started again.
  await exporter(after, "lab1");
  expect(await series("lab1")).toEqual(joined.map(([key]) => [key, 6]));
  // Of a host that is gone, only history knows which card had the index.
  await hub.remove("lab1");
  expect(await series("lab1", "#1")).toEqual([["GPU-1", 6]]);
});

test("a machine that was started anew in between may have other cards: their series are not joined", async () => {
  const token = await register("lab2");
  await exporter(token, "lab2");
  await agent(token, 10);
  expect(await series("lab2")).toEqual([
    ["GPU-0", 1],
    ["GPU-1", 1],
    ["#0", 1],
    ["#1", 1],
  ]);
  expect(await series("lab2", "#0")).toEqual([["#0", 1]]);
});

test("a polled machine goes on in the same series when its agent of the first GOHM is replaced", async () => {
  const first: Info = {
    id: "7",
    gpus: [0, 1].map((id) => ({ id, name: model, memUsed: 1n, memTotal: 2n, utilization: 3, temp: 50 })),
  };
  const host = await playHost(() => first);
  try {
    await hub.close();
    hub = await localHub({ servers: { gpu1: host.address }, poll: { interval: 1 } });
    await vi.waitFor(async () => expect((await series("gpu1"))[0]?.[1]).toBeGreaterThan(0), patience);
    expect((await series("gpu1")).map(([key]) => key)).toEqual(["#0", "#1"]);
    host.answer(() => sample(3600));
    await vi.waitFor(() => expect(hub.live.host("gpu1")?.info?.gpus[0]?.uuid).toBe("GPU-0"), patience);
    const [one, two, ...others] = await series("gpu1");
    expect([one?.[0], two?.[0], others]).toEqual(["GPU-0", "GPU-1", []]);
    expect(one?.[1]).toBeGreaterThan(1);
  } finally {
    host.close();
  }
});
