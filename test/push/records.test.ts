// A client of the NVIDIA GPU Metrics Logger, in Python, against the real hub: what it sends is in history once.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Zone } from "../../program/zone.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { top } from "../program.ts";
import { PythonClient, python } from "./python.ts";

const zone = "Asia/Shanghai";
const cards = 8;

interface Event {
  readonly event: string;
  readonly status?: number | null;
  readonly delivered?: boolean;
  readonly records: number;
  readonly answer?: Readonly<Record<string, unknown>>;
}

type Client = PythonClient<Event>;

let at: HubFolder;
let hub: RunningHub | undefined;
let client: Client | undefined;

beforeEach(() => {
  at = hubFolder();
  at.write({ servers: {}, hub: { timezone: zone } });
});

afterEach(async () => {
  await client?.stop();
  await hub?.stop("SIGKILL");
  [client, hub] = [undefined, undefined];
  at.remove();
});

/** Starts the hub, again at the same port. */
async function up(): Promise<RunningHub> {
  const address = hub === undefined ? "127.0.0.1:0" : new URL(hub.url).host;
  hub = await startHub(at, { GOHM_HUB_ADDR: address });
  return hub;
}

async function gohm(...words: string[]): Promise<string> {
  const env = { PATH: process.env.PATH, GOHM_DATA: at.data, GOHM_SETTINGS: at.settings, GOHM_HUB: "" };
  const { stdout } = await promisify(execFile)(process.execPath, [join(top, "dist/gohm.mjs"), ...words], { env });
  return stdout;
}

/** Samples of every card: [time, value]. */
async function samples({ url }: RunningHub, from: number): Promise<ReadonlyMap<string, readonly [number, number][]>> {
  const query = `host=lab1&metric=gpu_utilization&step=0&of=avg&from=${from}&to=${Date.now() + 60_000}`;
  const answer = (await (await fetch(`${url}/api/history?${query}`)).json()) as {
    readonly series: readonly {
      readonly key: string;
      readonly t: readonly number[];
      readonly avg: readonly number[];
    }[];
  };
  return new Map(answer.series.map(({ key, t, avg }) => [key, t.map((time, i) => [time, avg[i] ?? Number.NaN])]));
}

describe.skipIf(!existsSync(python))("the logger's client in Python (python3)", () => {
  test("delivers through approval, an outage of hours, lost answers and kill -9 of the hub: every record once", async () => {
    const running = await up();
    const started = new PythonClient<Event>("logger.py", [
      running.url,
      "--name",
      "lab1",
      "--gpus",
      String(cards),
      "--batch-size",
      "100000",
    ]);
    client = started;
    await started.next();
    const clock = new Zone(zone);
    const now = Math.floor(Date.now() / 1000) * 1000;
    const sent = new Map<number, number>();
    /** Lets it measure a tick of some seconds ago. */
    const tick = (agoSec: number): Promise<Event> => {
      const time = now - agoSec * 1000;
      const value = (agoSec % 97) + 0.25;
      sent.set(time, value);
      return started.does(`${clock.format(time)}|${value}`);
    };

    await tick(5 * 1500);
    await tick(5 * 1499);
    expect(await started.does("flush")).toMatchObject({ status: 200, delivered: true, records: 16 });
    expect(await gohm("node", "list")).toMatch(/lab1.*waiting, without a token/);
    await gohm("node", "approve", "lab1");

    // An outage: everything waits, and comes in one array. The hub is killed right after its answer, which is lost.
    await running.stop("SIGKILL");
    for (let ago = 1498; ago > 10; ago--) await tick(5 * ago);
    expect((await started.does("flush")).delivered).toBe(false);
    const second = await up();
    const records = cards * 1488;
    expect(await started.does("forget")).toMatchObject({ status: 200, delivered: true, records });
    await second.stop("SIGKILL");
    const third = await up();
    expect(await started.does("flush")).toMatchObject({
      status: 200,
      answer: {
        success: true,
        message: `Batch data received: ${records} successful, 0 failed`,
        received_count: records,
      },
    });
    for (let ago = 10; ago >= 0; ago--) await tick(5 * ago);
    const last = Math.floor(Date.now() / 1000) * 1000;
    sent.set(last, 1.25);
    await started.does(`${clock.format(last)}|1.25`);
    await started.does("flush");
    expect(await gohm("node", "list")).toMatch(/lab1.*answering, without a token/);
    expect(await gohm("node", "reset", "lab1")).toMatch(/lab1.*answering, without a token, an agent may register/);

    // What was answered is on the disk.
    await third.stop("SIGKILL");
    const found = await samples(await up(), now - 86_400_000);
    expect([...found.keys()].sort()).toEqual(Array.from({ length: cards }, (_, i) => `#${i}`));
    const wanted = [...sent].sort(([a], [b]) => a - b);
    for (const series of found.values()) expect(series).toEqual(wanted);
  });

  test("keeps its records while the hub refuses it, and delivers them when it may", async () => {
    at.write({ servers: {}, hub: { timezone: zone }, push: { register: "open", logger: "token" } });
    const running = await up();
    const started = new PythonClient<Event>("logger.py", [
      running.url,
      "--name",
      "lab1",
      "--endpoint",
      "/api/gpu/receive-data-batch",
    ]);
    client = started;
    await started.next();
    const time = Math.floor(Date.now() / 1000) * 1000 - 20_000;
    const clock = new Zone(zone);
    await started.does(`${clock.format(time)}|1`);
    const refused = await started.does(`${clock.format(time + 5000)}|2`);
    expect(refused).toMatchObject({ status: 401, delivered: false, answer: { error_code: "SIGN_IN_NEEDED" } });
    expect(await gohm("node", "refused")).toContain("127.0.0.1");
    at.write({ servers: {}, hub: { timezone: zone }, push: { register: "open", logger: "127.0.0.0/8" } });
    await running.line(/settings/);
    let delivered = false;
    for (let i = 0; i < 200 && !delivered; i++) delivered = (await started.does("flush")).delivered === true;
    expect((await samples(running, time - 60_000)).get("#0")).toEqual([
      [time, 1],
      [time + 5000, 2],
    ]);
  });
});
