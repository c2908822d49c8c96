// Questions made to exhaust the hub: what they cost it, and what others notice meanwhile.
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { gpu, openHistory } from "../store.ts";

let at: HubFolder;
let hub: RunningHub;
const sockets: Socket[] = [];
const names = 1500;
/** Megabytes. Of two hundred answers of five there is a gigabyte where nothing bounds them; fifty read one after another leave 200 to be tidied up. */
const mostGrowth = 300;
const now = Date.now();

/** Samples of eight cards that fill several megabytes of /pk, and once of a great many cards of host b, which is no server now. */
function fill(folder: string): void {
  const store = openHistory(folder);
  const card = (key: string, index: number, used: number) =>
    gpu({ gpu_memory_used: used, gpu_memory_total: 80_000, gpu_fan: 30 }, key, index);
  for (let i = 40_000; i > 0; i--) {
    const devices = Array.from({ length: 8 }, (_, n) => card(`GPU-${n}`, n, (i * 37 + n) % 80_000));
    store.append({ host: "a", at: now - i * 1000, devices });
  }
  const many = Array.from({ length: names }, (_, n) => card(`B-${n}`, n, n));
  store.append({ host: "b", at: now - 1000, devices: many });
  store.close();
}

beforeAll(async () => {
  at = hubFolder();
  at.write({ servers: { a: "127.0.0.1:1" } });
  fill(at.data);
});

beforeEach(async () => {
  hub = await startHub(at);
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await hub.stop();
});

afterAll(() => at?.remove());

/** Megabytes of memory: what the hub takes now, and the most it ever took. */
function memory(): { now: number; peak: number } {
  const status = readFileSync(`/proc/${hub.child.pid}/status`, "utf8");
  const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024;
  return { now: read("VmRSS"), peak: read("VmHWM") };
}

/** Requests from another address of this machine, none of whose answers is read. */
function unread(count: number, path: (i: number) => string): void {
  for (let i = 0; i < count; i++) {
    const socket = connect({ host: "127.0.0.1", port: Number(new URL(hub.url).port), localAddress: "127.0.0.2" });
    socket.on("error", () => {}); // it is meant to be cut
    socket.pause();
    socket.write(`GET ${path(i)} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    sockets.push(socket);
  }
}

/** Asks as anybody does, over and over: by then all that was sent before has been taken up. */
async function others(times: number): Promise<void> {
  for (let i = 0; i < times; i++) expect((await fetch(`${hub.url}/api/health`)).status).toBe(200);
}

test("one metric named 1,900 times is one metric, and too many series are refused before they are made", async () => {
  const few = await fetch(`${hub.url}/api/history?host=a&metric=${"gpu_fan,".repeat(1900)}&step=3600000`);
  expect(few.status).toBe(200);
  expect(((await few.json()) as { series: unknown[] }).series).toHaveLength(8);
  const before = memory();
  const many = await fetch(`${hub.url}/api/history?host=b&metric=${"gpu_fan,gpu_power,".repeat(880)}`);
  expect([many.status, await many.json()]).toEqual([
    400,
    { error: { code: "bad_request", message: expect.stringContaining(`${2 * names} series are asked for`) } },
  ]);
  expect(memory().peak - Math.max(before.peak, before.now)).toBeLessThan(mostGrowth);
});

test("200 unread answers to requests with a meaningless parameter use little memory, and others are answered", async () => {
  await others(5);
  const before = memory();
  unread(200, (i) => `/pk?x=${i}`);
  await others(100);
  const honest = await fetch(`${hub.url}/pk?host=a`);
  expect(honest.status).toBe(200);
  expect((await honest.text()).length).toBeGreaterThan(100_000);
  expect(memory().peak - Math.max(before.peak, before.now)).toBeLessThan(mostGrowth);
});

test("requests beyond the hub's limit are refused with Retry-After", async () => {
  const before = memory();
  unread(400, (i) => `/pk?from=${i}`);
  let heard = "";
  // Of the last one nothing is left unread.
  const last = sockets.at(-1);
  last?.on("data", (piece) => {
    heard = `${heard}${piece.toString()}`.slice(0, 1000);
  });
  last?.resume();
  await vi.waitFor(() => expect(heard).not.toBe(""), { timeout: 30_000 });
  expect(heard).toMatch(/^HTTP\/1\.1 503 [\s\S]*"code":"busy"/);
  expect(heard).toMatch(/\r\nretry-after: \d+\r\n/i);
  await others(5);
  expect(memory().peak - Math.max(before.peak, before.now)).toBeLessThan(mostGrowth);
});
