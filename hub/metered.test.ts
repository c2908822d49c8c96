import { expect, test } from "vitest";
import { Model } from "../test/model.ts";
import { Fault } from "./fault.ts";
import { Instruments } from "./instrument.ts";
import { countReading, metered, requestCounter } from "./metered.ts";

async function samplesOf(instruments: Instruments, name: string, suffix?: string) {
  const family = (await instruments.families()).find((one) => one.name === name);
  return (family?.samples ?? [])
    .filter((sample) => sample.suffix === suffix)
    .map(({ labels, value }) => [labels, value] as const);
}

const at = 1_800_000_000_000;
const devices = [
  { level: "host", key: "", values: [1, Number.NaN, 3] },
  { level: "gpu", key: "GPU-1", values: new Float64Array([Number.NaN, 7]) },
] as const;

class Failing extends Model {
  override async fold(): Promise<never> {
    throw new Fault("canceled", "gone");
  }
}

test("a history is as it was, and each call is timed, failed ones too", async () => {
  const instruments = new Instruments();
  const model = new Failing();
  const history = metered(model, instruments);
  history.append({ host: "gpu1", at, devices });
  expect(await history.known({ host: "gpu1" })).toEqual(await model.known({ host: "gpu1" }));
  expect((await history.known()).length).toBeGreaterThan(0);
  const range = { from: at, to: at + 1, step: 1 };
  await expect(history.fold({ groups: [], range })).rejects.toThrow("gone");
  expect(await samplesOf(instruments, "gohm_history_append_seconds", "_count")).toEqual([["", 1]]);
  expect(await samplesOf(instruments, "gohm_history_query_seconds", "_count")).toEqual([
    ['{query="known"}', 2],
    ['{query="fold"}', 1],
  ]);
});

test("readings are counted by input and time, and their values without those that are absent", async () => {
  const instruments = new Instruments();
  const info = {} as never;
  for (const [input, late] of [
    ["poll", false],
    ["portal", true],
    ["import", true],
  ] as const)
    countReading({ host: "gpu1", input, at, info, devices, late }, instruments);
  expect(await samplesOf(instruments, "gohm_reports_total")).toEqual([
    ['{input="poll",time="current"}', 1],
    ['{input="portal",time="late"}', 1],
    ['{input="import",time="imported"}', 1],
  ]);
  expect(await samplesOf(instruments, "gohm_samples_total")).toEqual([["", 9]]);
});

test("requests are counted by group and status; those of no route as none", async () => {
  const instruments = new Instruments();
  const count = requestCounter(instruments);
  count("push", 200, 5);
  count("push", 401, 5);
  count(undefined, 404, 5);
  expect(await samplesOf(instruments, "gohm_http_requests_total")).toEqual([
    ['{handler="push",code="200"}', 1],
    ['{handler="push",code="401"}', 1],
    ['{handler="none",code="404"}', 1],
  ]);
  expect(await samplesOf(instruments, "gohm_http_request_duration_seconds", "_sum")).toEqual([
    ['{handler="push"}', 0.01],
    ['{handler="none"}', 0.005],
  ]);
});
