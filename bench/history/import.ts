// npx node bench/history/import.ts [polls in thousands] [newest | backwards]: an import into the history while a host is polled:
// memory, bytes on disk, the longest pause of the event loop, and whether all of it is in the summaries.
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../hub/clock.ts";
import { openStore } from "../../hub/history/sqlite/store.ts";
import { type DeviceSample, kept, type SeriesId } from "../../hub/history/store.ts";
import { silent } from "../../hub/log.ts";

const day = 86_400_000;
const gpus = 8;
const paceMs = 60_000;
const clients = 6;
/** Polls between two calls of `ready`. */
const every = 500;
const polls = Number(process.argv[2] ?? 1250) * 1000;
/** The newest day first, or every sample before those that came: each then begins a chunk of its own. */
const backwards = process.argv[3] === "backwards";
const newestFirst = backwards || process.argv[3] === "newest";
const metrics = [
  ...["gpu_utilization", "gpu_memory_utilization", "gpu_temperature", "gpu_power", "gpu_fan"],
  ...["gpu_memory_used", "gpu_memory_total", "gpu_clock_sm", "gpu_clock_memory"],
];

const folder = mkdtempSync(join(tmpdir(), "gohm-import-"));
const store = openStore({
  folder,
  clock: systemClock,
  log: silent,
  retention: () => ({ raw: 30 * day, fiveMinutes: 365 * day, hour: Infinity, day: Infinity }),
  maxSize: () => Infinity,
  trouble: () => {},
});

const places = metrics.map((name) => kept.gpu.findIndex((metric) => metric.name === name));
if (places.includes(-1)) throw new Error("a metric is not kept");
const values = Array.from({ length: gpus }, () => new Float64Array(kept.gpu.length).fill(Number.NaN));
let state = 1;
const random = (below: number): number => {
  state = (state * 48_271) % 2_147_483_647;
  return state % below;
};

/** All cards of a client at one time. */
function devices(): DeviceSample[] {
  return values.map((row, gpu) => {
    const busy = random(10) > 2;
    const used = busy ? [random(10_000) / 100, random(6000) / 100, 40 + random(40)] : [0, 0, 30 + random(3)];
    const rest = [random(300_000), 30 + random(40), random(80) * 2 ** 30, 80 * 2 ** 30, 1000 + random(400), 1593];
    for (const [i, value] of [...used, ...rest].entries()) row[places[i] ?? 0] = value;
    return { level: "gpu", key: `#${gpu}`, index: gpu, name: "NVIDIA A100-SXM4-80GB", values: row };
  });
}

const bytesOf = (pattern: RegExp): number =>
  readdirSync(folder)
    .filter((name) => pattern.test(name))
    .reduce((sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0), 0);
const mega = (bytes: number): string => (bytes / 2 ** 20).toFixed(0).padStart(5);

/** Milliseconds of the clock and of the thread's own work: on a busy machine, the former are those of others too. */
const spent = (): [number, number] => {
  const { user, system } = process.threadCpuUsage();
  return [performance.now(), (user + system) / 1000];
};
const intervalMs = 5;
let latest = spent();
let [longest, longestCpu, longestOfAll] = [0, 0, 0];
const live = setInterval(() => {
  const [at, cpu] = spent();
  longest = Math.max(longest, at - latest[0] - intervalMs);
  longestCpu = Math.max(longestCpu, cpu - latest[1]);
  longestOfAll = Math.max(longestOfAll, longestCpu);
  latest = [at, cpu];
  if (random(200) === 0) store.append({ host: "live", at: Date.now(), devices: devices() });
}, intervalMs);

const days = Math.ceil(polls / clients / (day / paceMs));
const end = Math.floor(Date.now() / day) * day;
const begun = performance.now();
const startRss = process.memoryUsage().rss;
let most = 0;
let done = 0;
let reported = 0;
console.log(
  "s, polls, RSS above start, journal, database and log in MiB, longest pause in ms, most CPU between two turns in ms",
);
for (let i = 0; i < days && done < polls; i++) {
  const date = end - (newestFirst ? i + 1 : days - i) * day;
  for (let minute = 0; minute < day / paceMs && done < polls; minute++) {
    const at = date + (backwards ? day - (minute + 1) * paceMs : minute * paceMs);
    for (let client = 0; client < clients; client++) {
      store.append({ host: `client${client}`, at, devices: devices() });
      if (++done % every === 0) await store.ready();
    }
  }
  const rss = process.memoryUsage().rss - startRss;
  most = Math.max(most, rss);
  if (done - reported < polls / 25) continue;
  reported = done;
  const seconds = (performance.now() - begun) / 1000;
  const bytes = [rss, bytesOf(/journal/), bytesOf(/\.db/)].map(mega).join(" ");
  console.log(
    `${seconds.toFixed(1).padStart(6)} ${String(done).padStart(8)} ${bytes} ${longest.toFixed(0).padStart(5)} ${longestCpu.toFixed(0).padStart(5)}`,
  );
  longest = 0;
  longestCpu = 0;
}
await store.ready();
const seconds = (performance.now() - begun) / 1000;
console.log(
  `${done} polls of ${gpus} GPUs in ${seconds.toFixed(1)} s (${((done * gpus) / seconds).toFixed(0)} rows/s), ` +
    `at most ${mega(most)} MiB; CPU ${(spent()[1] / 1000).toFixed(0)} s, at most ${longestOfAll.toFixed(0)} ms between two turns`,
);
clearInterval(live);
const series: SeriesId[] = Array.from({ length: clients }, (_, i) => i).flatMap((client) =>
  Array.from(
    { length: gpus },
    (_, gpu): SeriesId => ({ host: `client${client}`, level: "gpu", key: `#${gpu}`, metric: "gpu_power" }),
  ),
);
const range = { from: 0, to: end, step: day };
let counted = 0;
for (const { count } of await store.read({ series, range, of: ["count"], most: 10_000 }))
  for (const n of count) counted += n;
console.log(`${counted} of ${done * gpus} samples of a metric are in the days`);
await store.close();
rmSync(folder, { recursive: true });
