// A process that appends samples to the history until it is killed. First it verifies that all samples which earlier
// processes reported as safe are there. Time is simulated, so that blocks are compacted and old samples deleted within
// seconds. Each line of output is one fact (see history-kill.test.ts).
import { existsSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openStore } from "../../hub/history/sqlite/store.ts";
import { type DeviceSample, type HostSample, kept, type Local, type Store } from "../../hub/history/store.ts";
import { lineLog } from "../../hub/log.ts";
import { SimulatedClock } from "../simulated-clock.ts";

const [, , folder = "", from = "0", seed = "0", how = "new"] = process.argv;
const hour = 3_600_000;
const day = 24 * hour;
const hosts = ["a", "b", "c", "ü \u{1f600}", "a_0"];
/** Milliseconds before the present within which samples are verified: their retention is a day longer. */
const lookedFor = day;

const clock = new SimulatedClock(Number(from));
let state = Number(seed) % 2_147_483_646;
const random = (below: number): number => {
  state = (Math.imul(state, 48_271) >>> 0) % 2_147_483_647;
  return state % below;
};
const say = (line: string): void => void writeSync(1, `${line}\n`);

/** Returns the value of a host at a time, from which a reader knows what a sample must be. */
function told(host: string, at: number): number {
  return ((hosts.indexOf(host) * 31 + at / 1000 + Math.floor(at / 77_000)) % 89) | 0;
}

function devicesOf(host: string, at: number): DeviceSample[] {
  const value = told(host, at);
  const named: Record<string, number> = { gpu_temperature: value, gpu_power: value * 1000 + 0.5, gpu_xid: at };
  if (at % 3 === 0) named.gpu_fan = value;
  const values = Float64Array.from(kept.gpu, ({ name }) => named[name] ?? Number.NaN);
  const second = { level: "gpu", key: "GPU-2", index: 1, values } as const;
  return [{ level: "gpu", key: "GPU-1", index: 0, values }, ...(at % 7 === 0 ? [second] : [])];
}

const store = openStore({
  folder,
  clock,
  log: lineLog((line) => writeSync(1, `log ${line}`), clock.now),
  retention: () => ({ raw: 2 * day, fiveMinutes: 4 * day, hour: 8 * day, day: Number.POSITIVE_INFINITY }),
  maxSize: () => Number.POSITIVE_INFINITY,
  trouble: (words) => words !== undefined && say(`trouble ${words.text}`),
});

/** Reads the times of samples that earlier processes reported as safe, by host. */
function safe(): Map<string, Set<number>> {
  const path = join(folder, "safe.txt");
  const found = new Map(hosts.map((host) => [host, new Set<number>()]));
  if (!existsSync(path)) return found;
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const [place, at] = line.split(" ");
    const host = hosts[Number(place)];
    if (host !== undefined && at !== undefined && Number(at) > clock.now() - lookedFor)
      found.get(host)?.add(Number(at));
  }
  return found;
}

async function verify(one: Store): Promise<void> {
  let count = 0;
  for (const [host, times] of safe()) {
    const series = ["gpu_temperature", "gpu_power", "gpu_xid"].map(
      (metric) => ({ host, level: "gpu", key: "GPU-1", metric }) as const,
    );
    const range = { from: clock.now() - lookedFor, to: Number.POSITIVE_INFINITY, step: 0 };
    const answers = await one.read({ series, range, of: ["last"], most: 1_000_000 });
    for (const [i, { t, last }] of answers.entries()) {
      const there = new Set(t);
      for (const at of times) if (!there.has(at)) say(`lost ${host} ${at}`);
      for (const [k, at] of t.entries()) {
        const value = told(host, at);
        const wanted = [value, value * 1000 + 0.5, at][i];
        if (last[k] !== wanted) say(`wrong ${host} ${at}: ${last[k]}, not ${wanted}`);
      }
      count += t.length;
    }
    // A block that is aggregated twice, or not at all, shows in its count.
    const step = { ...range, from: Math.ceil((clock.now() - lookedFor) / hour) * hour, step: hour };
    const [sums] = await one.read({ series: series.slice(0, 1), range: step, of: ["count"], most: 1_000_000 });
    const summed = (sums?.count ?? new Float64Array()).reduce((sum, n) => sum + n, 0);
    const held = answers[0]?.t.filter((at) => at >= step.from).length ?? 0;
    if (summed !== held) say(`wrong ${host}: hours count ${summed} samples, there are ${held}`);
  }
  say(`verified ${count}`);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function live(one: Store & Local): Promise<never> {
  for (let round = 0; ; round++) {
    const taken: string[] = [];
    for (const [place, host] of hosts.entries()) {
      const late = random(40) === 0;
      const at = late ? clock.now() - 1 - random(20 * hour) : clock.now() + random(900);
      one.append({ host, at, devices: devicesOf(host, at) } satisfies HostSample);
      taken.push(`safe ${place} ${at}`);
    }
    // Written at once, or by the timer a second later.
    if (random(10) === 0) one.flush();
    else clock.elapse(1000);
    say(taken.join("\n"));
    say(`now ${clock.now()}`);
    clock.elapse(random(400) === 0 ? 3 * hour : 9000);
    for (let i = 0; i < 4; i++) await turn();
    if (how === "close" && round === 40) {
      one.close();
      say("closed");
      process.exit(0);
    }
  }
}

say("open");
await verify(store);
await live(store);
