// Debian's Netdata, minutes only: what is read from it, and that the played one answers as it does.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../hub/clock.ts";
import { CardChartReader, type CardMetric, type Reply } from "../../hub/report/charts.ts";
import { netdataReader } from "../../hub/report/netdata.ts";
import { intervalSec } from "../../hub/report/report.ts";
import { Zone } from "../../program/zone.ts";
import { windowOf } from "./netdata.ts";
import { missingNetdata, type RealNetdata, startNetdata } from "./real.ts";

const reason = missingNetdata();
const { signal } = new AbortController();
const patience = { timeout: 20_000, interval: 50 };
const gpu = "amdgpu.gpu_utilization_unknown_AMD_GPU_card1";
const models = ["unknown_AMD_GPU"];
const now = (): number => Math.floor(Date.now() / 1000);

const found = <T>(reply: Reply<T>): T => {
  if (reply.state !== "ok") throw new Error(reply.why.text);
  return reply.value;
};

describe.skipIf(reason !== undefined)(`a real Netdata${reason ? `: ${reason}` : ""}`, () => {
  let netdata: RealNetdata;
  let reader: CardChartReader;

  beforeAll(async () => {
    netdata = await startNetdata([
      { card: 9, gpu: 12, vram: 1234, used: 5_000_000_000, free: 200_000_000_000 },
      { card: 1, gpu: 100, vram: 0 },
      { card: 17, model: "AMD_Instinct_MI300X_card_2", gpu: 3 },
    ]);
    reader = new CardChartReader({ address: netdata.url, clock: systemClock });
  });
  afterAll(() => netdata.stop());

  /** Values of the last seconds, as the JSON has them. */
  async function rows(metric: CardMetric, card: number): Promise<string[]> {
    const window = { after: now() - 30, before: now() - 1, stepSec: 1 };
    const reply = await reader.rows(metric, card, models, window, signal);
    if (reply.state !== "ok") return [];
    return [...reply.value.rows.values()].map((values) =>
      values.map((value) => value?.source ?? String(value?.value)).join(),
    );
  }

  test("its list of charts has the cards, and which of their charts there are", async () => {
    const cards = found(await reader.cards(signal));
    expect([...cards.models]).toEqual([
      [1, models],
      [9, models],
      [17, ["AMD_Instinct_MI300X_card_2"]],
    ]);
    expect([1, 9, 17].map((card) => cards.has("mem_vram_usage", card))).toEqual([false, true, false]);
    expect(Math.abs(reader.aheadMs ?? Number.NaN)).toBeLessThan(10_000);
  });

  test("values are as it prints them, by the names of their dimensions", async () => {
    await expect.poll(() => rows("utilization", 9), patience).toContain("12");
    await expect.poll(() => rows("mem_vram_usage_perc", 9), patience).toContain("12.34");
    await expect.poll(() => rows("mem_vram_usage", 9), patience).toContain("200000000000,5000000000");
    const window = { after: now() - 10, before: now(), stepSec: 5 };
    expect(found(await reader.rows("mem_vram_usage", 9, models, window, signal)).labels).toEqual(["free", "used"]);
  });

  test("a chart that it does not have, and a time without samples, are none", async () => {
    const window = { after: now() - 20, before: now(), stepSec: 10 };
    expect(await reader.rows("utilization", 2, models, window, signal)).toMatchObject({ state: "none" });
    const before = { after: now() - 90_000, before: now() - 86_400, stepSec: 600 };
    expect(await reader.rows("utilization", 1, models, before, signal)).toMatchObject({ state: "none" });
  });

  test("a report of a day that has just begun has the interval under way, and none of the day before", async () => {
    const from = Math.floor(now() / intervalSec) * intervalSec;
    const day = { date: "2025-08-01", from, to: from + 86_400, zone: new Zone("UTC") };
    const node = { name: "gpu1", netdata: netdata.url };
    const { cards } = await netdataReader()(node, day, signal);
    expect(cards.map(({ index, card }) => [index, card])).toEqual([
      [0, 1],
      [1, 9],
      [2, 17],
    ]);
    expect(cards[1]?.rows?.[0]).toEqual({ at: from + 600, gpu: 12, gpuText: "12", vram: 12.34, vramText: undefined });
    expect(cards[0]?.rows?.[0]).toMatchObject({ gpu: 100, gpuText: "100", vram: 0, vramText: "0" });
    expect(cards[2]?.rows).toBe(undefined);
    // The next one, if an interval ended meanwhile.
    expect(cards[0]?.rows?.length).toBeLessThanOrEqual(2);
  });

  test("the played Netdata makes the same windows of requests", async () => {
    const last = async (): Promise<number> => {
      const answer = await fetch(`${netdata.url}/api/v1/chart?chart=${gpu}`);
      return Number(((await answer.json()) as { readonly last_entry: number }).last_entry);
    };
    const differ: unknown[] = [];
    for (let i = 1; i <= 60; i++) {
      const first = await last();
      // Ranges that end before, at and after the last sample, with fewer and more points than there are samples.
      const asked = {
        after: first - ((i * 37) % 211) - 2,
        before: first + ((i * 53) % 90) - 45,
        points: ((i * 29) % 47) + 1,
      };
      if (asked.before <= asked.after) asked.before = asked.after + i;
      const query = `chart=${gpu}&after=${asked.after}&before=${asked.before}&points=${asked.points}&format=json`;
      const answer = await fetch(`${netdata.url}/api/v1/data?${query}`);
      if (answer.status === 404) continue;
      const { data } = (await answer.json()) as { readonly data: readonly (readonly number[])[] };
      const ends = data.map(([at]) => at).join();
      const lasts = [first - 1, first, await last()];
      if (!lasts.some((at) => windowOf(asked, at).ends.join() === ends)) differ.push({ asked, first, ends });
    }
    expect(differ).toEqual([]);
  });
});
