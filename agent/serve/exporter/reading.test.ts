import { expect, test } from "vitest";
import { State } from "../../../proto/gen/host_pb.js";
import { exporterInput } from "../../../proto/reading.ts";
import { card, gpu, machine, now, scraped } from "../../../test/scrape.ts";
import { nodeObject } from "./node.ts";

test("whether a card is used is not known where its processes cannot be listed, and then the count is not either", () => {
  const proc = { pid: 1, compute: true, username: "ada" };
  const count = (...gpus: object[]) => {
    const info = machine({ gpus });
    const [sample] = scraped(info)("hw_gpu_used_count");
    const told = nodeObject(exporterInput(info, "n")).gpu_used_count;
    expect(told).toBe(sample?.[1] ?? null);
    return told;
  };
  expect(count(card(0), card(1, { procs: [proc] }))).toBe(1);
  expect(count(card(0, { procsUnknown: true }))).toBe(null);
  expect(count(card(0, { procs: [proc] }), card(1, { procsUnknown: true }))).toBe(null);
  // One that is seen is enough to know that the card is used.
  expect(count(card(0, { procs: [proc], procsUnknown: true }))).toBe(1);
  const part = { ...card(1000), uuid: "MIG-1", parent: "GPU-0" };
  expect(count(card(0), { ...part, procsUnknown: true })).toBe(null);
  expect(count(card(0), { ...part, procs: [proc], procsUnknown: true })).toBe(1);
  // A card that never could be read, or not for long: no process in it means nothing.
  expect(count(card(0), { id: 1, uuid: "GPU-1", name: "x", state: State.STALE })).toBe(null);
  expect(count(card(0, { state: State.STALE, sampled: BigInt(now - 299_000) }))).toBe(0);
  expect(count(card(0, { state: State.STALE, sampled: BigInt(now - 301_000) }))).toBe(null);
  expect(count(card(0), card(1, { state: State.LOST }))).toBe(0);
});

test("a card whose processes cannot be listed says so", () => {
  const of = scraped(machine({ gpus: [card(0, { procsUnknown: true }), card(1)] }));
  expect(of("hw_gpu_process_unknown")).toEqual([[gpu(0), 1]]);
});

test("how many cards there are is not known while a driver that is there does not tell its own", () => {
  const counts = (source: object, gpus: object[] = []) => {
    const info = machine({ gpus, sources: [{ name: "cpu", state: State.STALE }, source] });
    const { gpu_count, gpu_used_count } = nodeObject(exporterInput(info, "n"));
    return [gpu_count, gpu_used_count, ...scraped(info)("hw_gpu_count").map(([, value]) => value)];
  };
  expect(counts({ name: "nvidia", state: State.HUNG })).toEqual([null, null]);
  expect(counts({ name: "nvidia", state: State.STALE }, [card(0)])).toEqual([null, null]);
  expect(counts({ name: "nvidia", state: State.HUNG, sampled: BigInt(now) }, [card(0)])).toEqual([1, 0, 1]);
  expect(counts({ name: "nvidia", state: State.UNSUPPORTED })).toEqual([0, 0]);
});
