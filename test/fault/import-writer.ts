// A process that imports samples of long ago until it is killed. First it verifies what earlier processes reported as taken.
// Time is simulated, so that blocks are compacted and old samples deleted within moments. Each line of output is one fact (see
// history-import.test.ts).
import { writeSync } from "node:fs";
import { openStore } from "../../hub/history/sqlite/store.ts";
import { type DeviceSample, kept, type SeriesId } from "../../hub/history/store.ts";
import { lineLog } from "../../hub/log.ts";
import { SimulatedClock } from "../simulated-clock.ts";

const [, , folder = "", from = "0", taken = "0", seed = "1"] = process.argv;
const hour = 3_600_000;
const day = 24 * hour;
/** Polls of each of the hosts, a minute after each other. */
const polls = 3 * 24 * 60;
const hosts = ["a", "b"];
const cards = ["GPU-1", "GPU-2"];

/** Midnight 40 days before the first of these processes began. */
const first = Math.floor((Date.UTC(2026, 0, 1) - 40 * day) / day) * day;
let state = Number(seed);
const random = (below: number): number => {
  state = (state * 48_271) % 2_147_483_647;
  return state % below;
};
const say = (line: string): void => void writeSync(1, `${line}\n`);

const clock = new SimulatedClock(Number(from));
const elapse = (ms: number): Promise<void> => clock.elapseWithTurns(ms, 20);

const store = openStore({
  folder,
  clock,
  log: lineLog((line) => writeSync(1, `log ${line}`), clock.now),
  retention: () => ({ raw: 2 * day, fiveMinutes: 400 * day, hour: Infinity, day: Infinity }),
  maxSize: () => Number.POSITIVE_INFINITY,
  trouble: (words) => words !== undefined && say(`trouble ${words.text}`),
});

function devices(i: number): DeviceSample[] {
  return cards.map((key, index) => {
    const values = Float64Array.from(kept.gpu, ({ name }) => (name === "gpu_power" ? i + index : Number.NaN));
    return { level: "gpu", key, index, name: "NVIDIA A100", values };
  });
}

const series: readonly SeriesId[] = hosts.flatMap((host) =>
  cards.map((key) => ({ host, level: "gpu", key, metric: "gpu_power" }) as const),
);

/** Samples of each series that the summaries of some length count, and whether every bucket of the first `whole` polls is exact. */
async function verify(step: number, whole: number): Promise<void> {
  const range = { from: first, to: first + 4 * day, step };
  const answers = await store.read({ series, range, of: ["count", "min", "max"], most: 10_000 });
  for (const [k, { t, count, min, max }] of answers.entries()) {
    const each = step / 60_000;
    for (const [b, at] of t.entries()) {
      const lowest = (at - first) / 60_000;
      if (lowest + each > whole) continue;
      const wanted = [each, lowest + (k % 2), lowest + each - 1 + (k % 2)];
      const got = [count[b], min[b], max[b]];
      if (String(got) !== String(wanted)) say(`wrong ${step} ${k} ${lowest}: ${got}, not ${wanted}`);
    }
    if (t.length < Math.floor(whole / each)) say(`lost ${step} ${k}: ${t.length} buckets of ${whole / each}`);
  }
}

say("open");
await verify(300_000, Number(taken));
for (let i = 0; i < polls; i++) {
  for (const host of hosts) store.append({ host, at: first + i * 60_000, devices: devices(i) });
  if (i % 60 !== 59) continue;
  await store.ready();
  say(`taken ${i + 1}`);
  if (random(6) === 0) await elapse(random(12) * 60_000);
  say(`now ${clock.now()}`);
}
await elapse(2 * hour);
for (const step of [300_000, hour, day]) await verify(step, polls);
const names = new Set((await store.known()).map(({ name }) => name));
if ([...names].join() !== "NVIDIA A100") say(`wrong names ${[...names]}`);
await store.close();
say("whole");
