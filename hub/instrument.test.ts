import { expect, test } from "vitest";
import { exposition } from "../proto/text.ts";
import { readExposition } from "../test/exposition.ts";
import { hubMetrics, Instruments } from "./instrument.ts";

async function read(instruments: Instruments, name: string) {
  const families = readExposition(exposition(await instruments.families(), { format: "text" }), "text");
  const { samples = [] } = families.find((family) => family.name === name) ?? {};
  return samples.map((sample) => [sample.name.slice(name.length), sample.labels, sample.value]);
}

test("an observation counts in the first bucket that is not below it, and one of a clock that was set back as 0", async () => {
  const instruments = new Instruments();
  for (const seconds of [-3, 0.0005, 0.0006, 10, 11, Number.NaN])
    instruments.observe("gohm_poll_lag_seconds", {}, seconds);
  const samples = await read(instruments, "gohm_poll_lag_seconds");
  const at = (le: string) => samples.find(([, labels]) => (labels as { le?: string }).le === le)?.[2];
  expect([at("0.0005"), at("0.001"), at("5.0"), at("10.0"), at("+Inf")]).toEqual([2, 3, 3, 4, 5]);
  expect(samples.slice(-2)).toEqual([
    ["_count", {}, 5],
    ["_sum", {}, 21.0011],
  ]);
});

test("counts add up by their labels", async () => {
  const instruments = new Instruments();
  instruments.count("gohm_polls_total", { result: "answer" });
  instruments.count("gohm_polls_total", { result: "answer" }, 2);
  instruments.count("gohm_polls_total", { result: "lost" });
  expect(await read(instruments, "gohm_polls_total")).toEqual([
    ["", { result: "answer" }, 3],
    ["", { result: "lost" }, 1],
  ]);
});

test("a gauge is read anew each time, after what it waits for, and one that fails costs no other one", async () => {
  const instruments = new Instruments();
  let files = 0;
  instruments.before(async () => {
    files += 7;
  });
  instruments.read("process_open_fds", () => [[{}, files]]);
  instruments.read("gohm_sessions", () => {
    throw new Error("the book cannot be read");
  });
  instruments.read("gohm_viewers", () => [[{}, 2]]);
  expect(await read(instruments, "process_open_fds")).toEqual([["", {}, 7]]);
  expect(await read(instruments, "process_open_fds")).toEqual([["", {}, 14]]);
  expect(await read(instruments, "gohm_sessions")).toEqual([]);
  expect(await read(instruments, "gohm_viewers")).toEqual([["", {}, 2]]);
});

test("series of one metric are bounded, whatever its labels", async () => {
  const instruments = new Instruments();
  for (let i = 0; i < 1100; i++) instruments.count("gohm_poll_failures_total", { reason: `r${i}` });
  expect(await read(instruments, "gohm_poll_failures_total")).toHaveLength(1000);
});

test("names follow the rules of Prometheus: counters end in _total, durations are in seconds", () => {
  for (const [name, { kind }] of Object.entries(hubMetrics)) {
    expect([name, /^(gohm|process)_[a-z_]+$/.test(name), name.endsWith("_total")]).toEqual([
      name,
      true,
      kind === "counter",
    ]);
    if (kind === "histogram") expect(name).toMatch(/_seconds$/);
  }
});
