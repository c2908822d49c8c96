// Simulates the readings of a GPU server: jobs start and end on eight cards, and power, temperature, fans, host and network
// follow. All values are integers, as those of NVML and /proc. The same seed gives the same numbers.

export const gpus = 8;
/** Values of one GPU, in this order: utilization (%), memory used (bytes), temperature (°C), fan (%), power (mW). */
const ofGpu = 5;
/** After the GPUs: CPU (‰), memory used (bytes), load1 (× 100), received and sent (bytes/s), disk used (bytes). */
const ofHost = 6;
/** Values of one poll. */
export const width = gpus * ofGpu + ofHost;

const mebi = 1_048_576;
/** The driver allocates device memory in pieces of this size. */
const piece = 2 * mebi;
/** Memory of a card, and the maximum that a job uses. */
const cardMemory = 80 * 1024 * mebi;
const jobMemory = Math.floor((cardMemory - 1.2e9) / piece) * piece;
const page = 4096;

/** Pseudo-random number generator (sfc32) of numbers from 0 to 1. */
export function dice(seed: number): () => number {
  let [a, b, c, count] = [seed | 0, 0x9e3779b9 | 0, 0x243f6a88 | 0, 1];
  const next = (): number => {
    const sum = (a + b + count) | 0;
    count = (count + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

const clamp = (x: number, least: number, most: number): number => Math.min(Math.max(x, least), most);

/** Returns the fraction of its distance that an exponential approach with this time constant covers in `seconds`. */
const approach = (seconds: number, constant: number): number => 1 - Math.exp(-seconds / constant);

type Kind = "idle" | "inference" | "notebook" | "training";

/** Mean duration of each use of a card in seconds. */
const stay: Readonly<Record<Kind, number>> = { idle: 5400, training: 14_400, inference: 28_800, notebook: 7200 };

interface Card {
  /** Air temperature, idle power and maximum power of this card. */
  readonly air: number;
  readonly idlePower: number;
  readonly fullPower: number;
  /** Bytes reserved by the driver. */
  readonly reserved: number;
  kind: Kind;
  /** Seconds until the use changes. */
  left: number;
  memory: number;
  memoryGoal: number;
  /** Utilization of steady work, and the share of power that it draws. */
  base: number;
  intensity: number;
  /** Slow random walk of the inference load. */
  wander: number;
  /** Remaining seconds of a notebook's burst. */
  burst: number;
  /** Seconds since the last checkpoint of a training. */
  sinceCheckpoint: number;
  saving: boolean;
  powerNoise: number;
  temperature: number;
  fan: number;
}

/** A simulated host. Each `step` is one poll. */
export class SimulatedHost {
  readonly #random: () => number;
  readonly #id: number;
  readonly #interval: number;
  readonly #cards: Card[];
  readonly #memoryBase: number;
  readonly #diskMost: number;
  #memory: number;
  #disk: number;
  #load = 1;
  #time = 0;

  /** @param interval seconds between two polls */
  constructor(id: number, interval: number) {
    this.#id = id;
    this.#interval = interval;
    this.#random = dice(id * 2_654_435_761 + 12_345);
    this.#cards = Array.from({ length: gpus }, () => this.#card());
    this.#memoryBase = 24e9 + this.#random() * 8e9;
    this.#memory = this.#memoryBase;
    this.#disk = page * Math.floor((400e9 + this.#random() * 2e12) / page);
    this.#diskMost = this.#disk + 800e9;
    for (let first = 0; first < gpus; ) {
      const count = this.#jobSize();
      this.#assign(first, Math.min(count, gpus - first), this.#random);
      first += count;
    }
  }

  /** Advances by one interval and writes the values of the poll into `out`, which has `width` elements. */
  step(out: Float64Array): void {
    this.#time += this.#interval;
    let work = 0;
    let checkpoints = 0;
    for (const [i, card] of this.#cards.entries()) {
      card.left -= this.#interval;
      if (card.left <= 0) this.#change(i);
      const utilization = clamp(Math.round(this.#utilization(card)), 0, 100);
      if (card.saving) checkpoints++;
      this.#allocate(card);
      const power = this.#power(card, utilization / 100);
      this.#heat(card, power);
      const values = [
        utilization,
        card.reserved + card.memory,
        Math.round(card.temperature),
        Math.round(card.fan),
        power,
      ];
      out.set(values, i * ofGpu);
      work += utilization / 100;
    }
    this.#host(out, { work, checkpoints });
  }

  #card(): Card {
    const u = this.#random;
    const air = 26 + u() * 6;
    const idlePower = 62_000 + u() * 15_000;
    const fullPower = 660_000 + u() * 40_000;
    const reserved = (580 + Math.trunc(u() * 40)) * mebi + 65_536 * Math.trunc(u() * 16);
    const work = { kind: "idle" as const, left: 0, base: 0, intensity: 1, wander: 0, burst: 0 };
    const body = {
      sinceCheckpoint: 0,
      saving: false,
      memory: 0,
      memoryGoal: 0,
      powerNoise: 0,
      temperature: 33,
      fan: 30,
    };
    return { air, idlePower, fullPower, reserved, ...work, ...body };
  }

  /** Returns an approximately normal random number with mean 0 and standard deviation 1. */
  #normal(): number {
    const u = this.#random;
    return (u() + u() + u() + u() - 2) * Math.sqrt(3);
  }

  #jobSize(): number {
    const u = this.#random();
    if (u < 0.35) return 1;
    if (u < 0.5) return 2;
    return u < 0.7 ? 4 : 8;
  }

  /** Ends the use of card `i` and of adjacent cards whose use ends too: one job may use them all. */
  #change(i: number): void {
    let count = 1;
    while ((this.#cards[i + count]?.left ?? Number.POSITIVE_INFINITY) <= this.#interval) count++;
    this.#assign(i, Math.min(count, this.#jobSize()));
  }

  /** @param started share of a job's duration that is left; less than 1 for jobs that run from the beginning */
  #assign(first: number, count: number, started: () => number = () => 1): void {
    const u = this.#random;
    const lot = u();
    const kind = lot < 0.3 ? "idle" : lot < 0.75 ? "training" : lot < 0.9 ? "inference" : "notebook";
    const left = stay[kind] * Math.exp(this.#normal() * 0.9 - 0.4) * started();
    const base = kind === "training" ? 93 + u() * 6 : 30 + u() * 40;
    const intensity = 0.72 + u() * 0.28;
    const share = 0.35 + u() * 0.6;
    for (const card of this.#cards.slice(first, first + count)) {
      Object.assign(card, { kind, left, base, intensity, burst: 0, sinceCheckpoint: u() * 1800 });
      const unequal = kind === "idle" ? 0 : 1 + (kind === "training" ? 0.003 : 0.01) * this.#normal();
      card.memoryGoal = Math.min(Math.floor((cardMemory * share * unequal) / piece) * piece, jobMemory);
    }
  }

  /** Returns the utilization in percent, not rounded. */
  #utilization(card: Card): number {
    card.saving = false;
    if (card.kind === "training") return this.#training(card);
    if (card.kind === "notebook") return this.#notebook(card);
    if (card.kind === "idle") return 0;
    card.wander = 0.9 * card.wander + this.#normal() * 6;
    // Requests follow the time of day, with a phase per host.
    const tide = 0.7 + 0.3 * Math.sin(this.#time / 13_751 + this.#id);
    return card.base * tide + card.wander + this.#normal() * 4;
  }

  #training(card: Card): number {
    const u = this.#random;
    card.sinceCheckpoint += this.#interval;
    if (card.sinceCheckpoint > 1800) {
      if (card.sinceCheckpoint > 1845) card.sinceCheckpoint = u() * 20;
      card.saving = true;
      return Math.trunc(u() * 8);
    }
    const loading = card.memory < card.memoryGoal * 0.9;
    if (loading) return Math.trunc(u() * 30);
    return u() < 0.02 ? 20 + u() * 60 : card.base - Math.abs(this.#normal()) * 2.5;
  }

  #notebook(card: Card): number {
    const u = this.#random;
    if (card.burst <= 0) {
      if (u() < 0.0004 * this.#interval) card.burst = 30 + u() * 400;
      return 0;
    }
    card.burst -= this.#interval;
    const utilization = 40 + u() * 60;
    if (u() < 0.05) card.memoryGoal = Math.min(card.memoryGoal + piece * Math.trunc(u() * 512), cardMemory - 4e9);
    return utilization;
  }

  /** Memory is allocated in a few steps, and freed at once. */
  #allocate(card: Card): void {
    const missing = card.memoryGoal - card.memory;
    if (missing === 0) return;
    if (missing < 64 * piece) card.memory = card.memoryGoal;
    else card.memory += Math.floor((missing * (0.2 + 0.4 * this.#random())) / piece) * piece;
  }

  #power(card: Card, work: number): number {
    const context = card.kind === "idle" ? 0 : 18_000;
    const drawn = (card.fullPower - card.idlePower) * card.intensity * work ** 0.85;
    card.powerNoise = 0.5 * card.powerNoise + this.#normal() * (work === 0 ? 140 : 2500 + 9000 * work);
    return Math.max(20_000, Math.round(card.idlePower + context + drawn + card.powerNoise));
  }

  #heat(card: Card, power: number): void {
    const goal = card.air + power * 0.000_062;
    card.temperature += (goal - card.temperature) * approach(this.#interval, 70) + this.#normal() * 0.12;
    card.fan += (clamp(30 + (card.temperature - 45) * 1.6, 30, 100) - card.fan) * 0.25;
  }

  #host(out: Float64Array, { work, checkpoints }: { work: number; checkpoints: number }): void {
    const at = gpus * ofGpu;
    const u = this.#random;
    const count = (kind: Kind): number => this.#cards.filter((card) => card.kind === kind).length;
    const [training, inference] = [count("training"), count("inference")];
    const busy = 6 + training * 5.5 + inference * 3 + work * 2 + this.#normal() * (1 + training * 0.6);
    const cpu = clamp(busy, 0.1, 100);
    const goal = this.#memoryBase + training * 2.2e10 + inference * 1.2e10;
    this.#memory += (goal - this.#memory) * approach(this.#interval, 120) + this.#normal() * 1.5e6 * (1 + training);
    this.#load += (cpu * 1.92 - this.#load) * approach(this.#interval, 60) + this.#normal() * 0.15;
    const traffic = 15e3 + training * 9e6 + inference * 1.1e6;
    out[at] = Math.round(cpu * 10);
    out[at + 1] = Math.max(page * 1000, Math.round(this.#memory / page) * page);
    out[at + 2] = Math.max(0, Math.round(this.#load * 100));
    out[at + 3] = Math.max(0, Math.round(traffic * (1 + 0.22 * this.#normal())));
    out[at + 4] = Math.max(0, Math.round((8e3 + traffic * 0.35) * (1 + 0.25 * this.#normal())));
    if (checkpoints > 0) this.#disk += page * Math.trunc(u() * 4e5 * checkpoints);
    else if (u() < 0.3) this.#disk += page * Math.trunc(u() * 20);
    if (this.#disk > this.#diskMost) this.#disk -= page * Math.floor(500e9 / page);
    out[at + 5] = this.#disk;
  }
}

/**
 * Returns the times of a host's polls in milliseconds after the beginning: every host has its own phase within the interval,
 * is a few milliseconds late each time, and up to 120 in one of two hundred polls.
 */
export function pollTimes(id: number, count: number, interval: number): Float64Array {
  const u = dice(id * 40_503 + 77);
  const phase = Math.floor(u() * interval * 1000);
  return Float64Array.from({ length: count }, (_, i) => {
    const late = u() < 0.005 ? u() * 120 : (u() + u() + u()) * 2;
    return phase + i * interval * 1000 + Math.round(late);
  });
}
