// The same samples reach a hub in three ways, by its own polls, as pushed reports and as records of the logger's client: its
// answers to the logger's questions do not depend on the way, nor on whether samples or only summaries are left.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Clock } from "../../hub/clock.ts";
import { type Hub, start } from "../../hub/hub.ts";
import { silent } from "../../hub/log.ts";
import { listed, parts } from "../../hub/parts.ts";
import { settle } from "../../hub/settings.ts";
import { Zone } from "../../program/zone.ts";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { round } from "../../proto/round.ts";
import { type Info, type PlayedHost, playHost } from "../host.ts";
import { ask, type Filter, type Period, questionsOf } from "./question.ts";

const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000];
/** Clocks are set forward on 29 March: that day has 23 hours. */
const zone = new Zone("Europe/Berlin");
const cards = [0, 1, 5];
const name = "NVIDIA A100-SXM4-80GB";
const MiB = 1_048_576n;

/** Time that passes as the test says. */
class PlayedTime {
  #now: number;
  #timers: { readonly at: number; readonly run: () => void }[] = [];
  readonly clock: Clock = {
    now: () => this.#now,
    after: (ms, run) => {
      const timer = { at: this.#now + ms, run };
      this.#timers.push(timer);
      return () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      };
    },
  };

  constructor(now: number) {
    this.#now = now;
  }

  /** Sets the time, and runs what is due then. */
  async set(now: number): Promise<void> {
    this.#now = now;
    const due = this.#timers.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
    this.#timers = this.#timers.filter(({ at }) => at > now);
    for (const { run } of due) run();
    for (let i = 0; i < 20; i++) await turn();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Readings of a card: percentages and watts in hundredths. */
interface Reading {
  readonly id: number;
  readonly utilization: number;
  readonly memory: number;
  readonly temperature: number;
  readonly power: number;
}

/** @param i number of the sample */
const readings = (i: number): Reading[] =>
  cards.map((id) => ({
    id,
    utilization: (i * 7919 + id * 1311) % 10_001,
    memory: (i * 104_729 + id * 77) % 10_001,
    temperature: 40 + ((i + id) % 31),
    power: 6000 + ((i * 6007 + id) % 34_000),
  }));

function infoOf(hostname: string, at: number, all: readonly Reading[]): Info {
  return {
    hostname,
    agentVersion: "0",
    sampled: BigInt(at),
    gpus: all.map(({ id, utilization, memory, temperature, power }) => ({
      id,
      uuid: `GPU-${hostname}-${id}`,
      name,
      ...{ utilization: round(utilization / 100), utilizationExact: utilization / 100 },
      ...{ memUtilization: round(memory / 100), memUtilizationExact: memory / 100 },
      ...{ memTotal: 81_920n * MiB, memUsed: 1000n * MiB, temp: temperature, power: power * 10, powerLimit: 400_000 },
      state: 1,
    })),
  };
}

const recordsOf = (client_name: string, at: number, all: readonly Reading[]): object[] =>
  all.map(({ id, utilization, memory, temperature, power }) => ({
    timestamp: zone.format(at),
    ...{ gpu_id: id, gpu_name: name, client_name },
    ...{ utilization_gpu: utilization / 100, utilization_memory: memory / 100 },
    ...{ memory_total: 81_920, memory_used: 1000, memory_free: 80_920 },
    ...{ temperature, power_draw: power / 100, power_limit: 400, fan_speed: null },
  }));

/** Times of samples: ten minutes of several days, also around midnight and around the hour that there is none of. */
const times = [
  "2026-03-27 23:52:00",
  "2026-03-28 09:00:00",
  "2026-03-29 01:55:00",
  "2026-03-29 23:55:00",
  "2026-03-30 12:00:00",
].flatMap((text) => {
  const from = zone.parse(text) ?? Number.NaN;
  return Array.from({ length: 30 }, (_, i) => from + i * 20 * second);
});
const clients = ["polled", "pushed", "logged"];
const days = ["2026-03-27", "2026-03-28", "2026-03-29", "2026-03-30"];
const periods: Period[] = [
  ...days.map((one) => ({ start_date: one, end_date: one })),
  { start_date: "2026-03-27", end_date: "2026-03-30" },
];

describe("samples that came by poll, push and the logger's client", () => {
  const folder = mkdtempSync(join(tmpdir(), "gohm-ways-"));
  const time = new PlayedTime(times[0] ?? 0);
  const { clock } = time;
  let agent: PlayedHost;
  let hub: Hub;
  let url = "";
  let sample = 0;

  const post = async (path: string, type: string, body: string | Uint8Array<ArrayBuffer>, token?: string) => {
    const headers = {
      "content-type": type,
      date: new Date(clock.now()).toUTCString(),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    const response = await fetch(url + path, { method: "POST", headers, body });
    const text = await response.text();
    expect([response.status, text], path).toEqual([200, text]);
    return JSON.parse(text) as { token?: string; success?: boolean; failed_count?: number };
  };

  beforeAll(async () => {
    agent = await playHost(() => infoOf("polled", clock.now(), readings(sample)));
    const file = {
      servers: { polled: agent.address },
      poll: { interval: 20 },
      push: { register: "open" },
      hub: { timezone: zone.name },
    };
    const flags = { data: folder, "hub-addr": "127.0.0.1:0", "history-addr": "127.0.0.1:0" };
    const settings = settle({ flags, env: {} }, () => JSON.stringify(file), listed(parts));
    hub = await start({ settings, clock, random: () => 0, log: silent, version: "1", web: folder });
    url = `http://127.0.0.1:${hub.port}`;
    const registration = JSON.stringify({ hostname: "pushed", capabilities: {} });
    const { token = "" } = await post("/api/monitoring/register", "application/json", registration);
    const protobuf = "application/x-protobuf; messageType=gpu.HostInfo";
    for (const at of times) {
      const now = readings(sample);
      await time.set(at);
      const report = toBinary(HostInfoSchema, create(HostInfoSchema, infoOf("pushed", at, now)));
      await post("/api/monitoring/report", protobuf, report, token);
      const taken = await post("/api/receive-data", "application/json", JSON.stringify(recordsOf("logged", at, now)));
      expect(taken).toMatchObject({ success: true, failed_count: 0 });
      for (let i = 0; i < 10_000 && hub.live.host("polled")?.seen !== at; i++) await turn();
      expect(hub.live.host("polled")?.seen).toBe(at);
      sample++;
    }
    agent.answer(() => new Error("switched off"));
  });

  afterAll(async () => {
    await hub?.close();
    agent?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The answers about one client, as if they were about any. */
  async function answersOf(client_name: string): Promise<unknown> {
    const filters: Filter[] = [{ client_name }, ...cards.map((gpu_id) => ({ client_name, gpu_id }))];
    const text = JSON.stringify(await ask(url, questionsOf(filters, periods)));
    return JSON.parse(text.replaceAll(`"${client_name}"`, '"one"'));
  }

  /** Number of points that the history has of a client's first card: samples, or summaries where those are gone. */
  async function points(client: string): Promise<number> {
    const range = `from=${(times[0] ?? 0) - day}&to=${(times.at(-1) ?? 0) + day}`;
    const response = await fetch(`${url}/api/history?host=${client}&metric=gpu_utilization&step=0&of=last&${range}`);
    const { series } = (await response.json()) as { series: { t: number[] }[] };
    return series[0]?.t.length ?? 0;
  }

  test("have the same five answers, those of the samples, also when only summaries are left", async () => {
    expect(await Promise.all(clients.map(points))).toEqual(clients.map(() => times.length));
    const [polled, pushed, logged] = await Promise.all(clients.map(answersOf));
    expect(pushed).toEqual(polled);
    expect(logged).toEqual(polled);
    const all = times.flatMap((_, i) => readings(i).map(({ utilization }) => utilization));
    const mean = all.reduce((sum, one) => sum + one) / 100 / all.length;
    const [whole] = await ask(url, [{ path: "/api/gpu/statistics", body: {} }]);
    const [least, most] = [Math.min(...all) / 100, Math.max(...all) / 100];
    expect(whole).toMatchObject({ period_average: round(mean, 2), min_utilization: least, max_utilization: most });
    const questions = questionsOf([{}, { gpu_id: 5 }], periods).filter(({ path }) => !path.endsWith("realtime"));
    const before = await ask(url, questions);

    // 40 days later, as samples are kept for 30.
    for (let i = 0; i < 30; i++) await time.set(clock.now() + (i === 0 ? 40 * day : i < 15 ? minute : hour));
    const fiveMinutes = new Set(times.map((at) => Math.floor(at / (5 * minute)))).size;
    expect(fiveMinutes).toBeLessThan(times.length / 10);
    expect(await Promise.all(clients.map(points))).toEqual(clients.map(() => fiveMinutes));
    const [old, ...others] = await Promise.all(clients.map(answersOf));
    expect(others).toEqual(clients.slice(1).map(() => old));
    expect(await ask(url, questions)).toEqual(before);
  });
});
