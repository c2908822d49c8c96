import { create } from "@bufbuild/protobuf";
import { afterEach, expect, test, vi } from "vitest";
import { HostInfoSchema } from "../../../proto/gen/host_pb.js";
import { metrics } from "../../../proto/hardware.ts";
import { card, machine } from "../../../test/scrape.ts";
import type { SeenHost } from "../fleet.ts";
import { fleetText, scrapedHost, Turnstile } from "./fleet.ts";

const info = machine({ gpus: Array.from({ length: 8 }, (_, i) => card(i)) });
const host = (name: string, shown = info): SeenHost => ({
  host: { number: 1, name, address: "10.0.0.1:9203", link: { state: "open", since: 0 }, seen: 0 },
  shown: name,
  labels: {},
  info: shown,
  fresh: true,
  state: "up",
  since: 0,
  reason: undefined,
  intervalSec: 10,
});
const fleet = (hosts: number, shown = info) =>
  Array.from({ length: hosts }, (_, i) => scrapedHost(host(`gpu${i}`, shown), 0));

afterEach(() => vi.restoreAllMocks());

test("a fleet is written in small pieces", async () => {
  const sizes: number[] = [];
  for await (const { length } of fleetText(fleet(200), { format: "text" }, new Turnstile().pass)) sizes.push(length);
  const whole = sizes.reduce((sum, size) => sum + size, 0);
  expect(whole).toBeGreaterThan(1_000_000);
  expect(Math.max(...sizes)).toBeLessThan(65_536);
});

test("other work gets its turn in time, also while hosts have nothing to write", async () => {
  let now = 0;
  // Each look at the clock finds that the patience is used up.
  vi.spyOn(performance, "now").mockImplementation(() => {
    now += 5;
    return now;
  });
  let turns = 0;
  const yields = async () => {
    turns++;
  };
  let pieces = 0;
  for await (const _ of fleetText(fleet(64, create(HostInfoSchema)), { format: "text" }, yields)) pieces++;
  expect(turns).toBeGreaterThanOrEqual(metrics.length * 4);
  expect(pieces).toBeLessThan(10);
});

test("of scrapes that wait, one works between two turns of other work", async () => {
  const { pass } = new Turnstile();
  let passed = 0;
  for (let i = 0; i < 5; i++) void pass().then(() => passed++);
  const seen = [0];
  for (let i = 0; i < 6; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(passed);
  }
  expect(seen.slice(1).every((count, i) => count - (seen[i] ?? 0) <= 1)).toBe(true);
  expect(passed).toBe(5);
});
