// A month of records of six machines with eight GPUs, as the server of the GPU Metrics Logger keeps them: one file for each
// day. The same options give the same bytes.
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { dayAfter, type Zone } from "../../program/zone.ts";

const header =
  "timestamp,gpu_id,gpu_name,utilization_gpu,utilization_memory,memory_total,memory_used,memory_free,temperature,power_draw,power_limit,fan_speed,client_name";

/** Models of the clients' cards: name, memory in MiB, power limit in watts. One has a comma and quotes in its name. */
const models = [
  ["NVIDIA H100 80GB HBM3", 81_559, 700],
  ["NVIDIA A100-SXM4-80GB", 81_920, 400],
  ['NVIDIA RTX 6000 Ada, "Rev. 2"', 49_140, 300],
  ["NVIDIA L40S", 46_068, 350],
  ["NVIDIA GeForce RTX 4090", 24_564, 450],
  ["NVIDIA H200", 143_771, 700],
] as const;

export const clients = ["gpu-node-01", "gpu-node-02", "ai lab (A)", "node_4.example", "深度学习-5", "node6"] as const;
export const cards = 8;

export interface MonthOptions {
  /** Time zone of the logger's server. */
  readonly zone: Zone;
  /** First day, "YYYY-MM-DD". */
  readonly first: string;
  readonly days: number;
  /** Seconds between two records of a card. */
  readonly seconds: number;
}

export interface Month {
  /** Paths, by day. */
  readonly files: readonly string[];
  readonly rows: number;
  /** Rows whose client, GPU and time another row has, too, in the hour that comes twice. */
  readonly twice: number;
  /** First and last day. */
  readonly first: string;
  readonly last: string;
  /** A day without a record of the second client, and a day whose last two hours the third client sent on the next day. */
  readonly away: string;
  readonly late: string;
}

/** Pseudo-random numbers from 0 to 1 (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A cell as Python's csv module writes it. */
const quoted = (text: string): string => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Hundredths as Python writes the float: 7500 is "75.0". Most texts occur many times. */
const floats = Array.from({ length: 100_000 }, (_, hundredths) => {
  const text = String(hundredths / 100);
  return text.includes(".") ? text : `${text}.0`;
});

/** A card that is idle, and busy for some hours, again and again. */
class Card {
  readonly #random: () => number;
  readonly #total: number;
  readonly #limit: number;
  readonly #before: string;
  /** Steps until work begins or ends. */
  #left = 0;
  #busy = false;
  /** Hundredths of a percent around which utilization varies. */
  #level = 0;
  #used = 0;
  #temperature = 35;

  constructor(client: number, id: number) {
    const [name, total, limit] = models[client % models.length] ?? models[0];
    this.#random = randomOf(1000 * client + id);
    this.#total = total;
    this.#limit = limit;
    this.#before = `${id},${quoted(name)}`;
  }

  /** The cells of a record between timestamp and client_name. */
  next(seconds: number): string {
    const random = this.#random;
    if (--this.#left < 0) this.#turn(seconds);
    const spread = this.#busy ? 1800 : 150;
    const utilization = within(this.#level + Math.round((random() - 0.5) * spread), 10_000);
    const memory = within(Math.round(utilization * (0.3 + random() * 0.4)), 10_000);
    const target = 34 + utilization / 250;
    this.#temperature += (target - this.#temperature) * 0.2 + (random() - 0.5);
    const power = Math.round(100 * (55 + (this.#limit - 70) * (utilization / 10_000) + random() * 15));
    const used = this.#used + Math.floor(random() * 3);
    const odd = random();
    // A reading that failed; a client that does not send fans; a record of a driver that answers nothing.
    const gpu = odd < 0.002 ? "" : floats[utilization];
    const of = odd > 0.999 ? "" : floats[memory];
    const fan = this.#total === 46_068 ? "" : String(20 + Math.round(utilization / 200));
    return `${this.#before},${gpu},${of},${this.#total},${used},${this.#total - used},${Math.round(this.#temperature)},${floats[power]},${this.#limit}.0,${fan}`;
  }

  #turn(seconds: number): void {
    const random = this.#random;
    this.#busy = !this.#busy && random() < 0.8;
    this.#left = Math.round(((this.#busy ? 0.5 + random() * 9 : 0.2 + random() * 5) * 3600) / seconds);
    this.#level = this.#busy ? 3000 + Math.round(random() * 6500) : Math.round(random() * 60);
    this.#used = this.#busy ? Math.round(this.#total * (0.2 + random() * 0.75)) : 4;
  }
}

const within = (value: number, most: number): number => Math.max(0, Math.min(most, value));

/** Collects text and writes it to a file in large pieces. */
class FileText {
  readonly #file: number;
  #lines: string[] = [];

  constructor(path: string) {
    this.#file = openSync(path, "wx");
    this.#lines.push(`${header}\r\n`);
  }

  add(line: string): void {
    if (this.#lines.push(line) > 20_000) this.#flush();
  }

  close(): void {
    this.#flush();
    closeSync(this.#file);
  }

  #flush(): void {
    const bytes = Buffer.from(this.#lines.join(""));
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
    this.#lines = [];
  }
}

/**
 * Writes a file for each day into a folder, as the logger's server does: by the day on which records came in, with local
 * times. There are gaps, readings that failed, a day without one client, and records that came in on the next day.
 */
export function writeMonth(folder: string, { zone, first, days, seconds }: MonthOptions): Month {
  const dates = Array.from({ length: days - 1 }).reduce<string[]>(
    (all) => [...all, dayAfter(all.at(-1) ?? first)],
    [first],
  );
  const [away = first, late = first] = [dates[Math.floor(days / 3)], dates[Math.floor(days / 2)]];
  const all = clients.map((name, client) => ({
    name: quoted(name),
    random: randomOf(7 + client),
    cards: Array.from({ length: cards }, (_, id) => new Card(client, id)),
    gap: 0,
  }));
  const files: string[] = [];
  let [rows, twice] = [0, 0];
  /** Records that the server had not received when their day ended. */
  let held: string[] = [];
  for (const date of dates) {
    const path = join(folder, `gpu_metrics_${date.replaceAll("-", "")}.csv`);
    const text = new FileText(path);
    files.push(path);
    const [start = 0, end = 0] = [zone.startOfDay(date), zone.startOfDay(dayAfter(date))];
    for (const line of held) text.add(line);
    held = [];
    /** Times of clients, on a day with an hour that comes twice. */
    const seen = end - start > 86_400_000 ? new Set<string>() : undefined;
    for (let at = start; at < end; at += seconds * 1000) {
      const time = zone.format(at);
      for (const [client, of] of all.entries()) {
        if (of.gap > 0) of.gap--;
        else if (of.random() < seconds / 100_000) of.gap = Math.ceil((of.random() * 1800) / seconds);
        const isAway = of.gap > 0 || (client === 1 && date === away);
        const again = seen?.has(`${time} ${client}`) === true;
        if (!isAway) seen?.add(`${time} ${client}`);
        const isLate = client === 2 && date === late && time.slice(11) >= "22";
        for (const card of of.cards) {
          const cells = card.next(seconds);
          if (isAway) continue;
          const line = `${time},${cells},${of.name}\r\n`;
          rows++;
          if (again) twice++;
          if (isLate) held.push(line);
          else text.add(line);
        }
      }
    }
    text.close();
  }
  return { files, rows, twice, first, last: dates.at(-1) ?? first, away, late };
}
