import type { Machine } from "../machine/machine.ts";
import { whole } from "../number.ts";
import { armCores } from "./cpu/arm.ts";
import { Baseline, type Source, type SourcePart } from "./source.ts";

/** Time of all hardware threads since boot, in clock ticks. */
export interface Ticks {
  readonly total: number;
  readonly idle: number;
  readonly iowait: number;
}

/** Parses the first line of /proc/stat. Guest time is included in user time (proc(5)). */
export function parse(text: string): Ticks | undefined {
  const fields = /^cpu +((?:\d+ ?)+)/.exec(text)?.[1]?.trim().split(" ").map(Number);
  if (fields === undefined || fields.length < 4) return undefined;
  const [user = 0, nice = 0, kernel = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = fields;
  return { total: user + nice + kernel + idle + iowait + irq + softirq + steal, idle, iowait };
}

/** Lists the hardware threads that are online: the cpuN lines of /proc/stat. */
export const threadsOf = (text: string): string[] => text.match(/^cpu\d+(?= )/gm) ?? [];

/** Computes percent of the time between two readings; undefined if the counters stopped or decreased (a thread went offline). */
export function share(from: Ticks, to: Ticks): { busy: number; iowait: number } | undefined {
  const total = to.total - from.total;
  const idle = to.idle - from.idle;
  // The kernel's iowait may shrink by itself; proc(5) calls it unreliable.
  const iowait = Math.max(0, to.iowait - from.iowait);
  if (total <= 0 || idle < 0 || idle > total) return undefined;
  const percent = (ticks: number): number => Math.round(Math.min(100, Math.max(0, (ticks / total) * 100)) * 100) / 100;
  return { busy: percent(total - idle - iowait), iowait: percent(iowait) };
}

/** Model, sockets and cores of the CPUs. */
export interface CpuIdentity {
  readonly model?: string;
  readonly sockets?: number;
  readonly cores?: number;
}

/** Parses /proc/cpuinfo. Sockets and cores are absent if it lacks them. */
export function parseInfo(text: string): CpuIdentity {
  const field = (key: string): string | undefined =>
    new RegExp(`^${key}[ \\t]*:[ \\t]*(.*)$`, "m").exec(text)?.[1]?.trim() || undefined;
  // Arm does not name its cores here, it numbers them. The board's name is better than a number, not than a name.
  const arm = armCores(text);
  const named = field("model name") ?? field("Model Name") ?? field("cpu model") ?? field("cpu") ?? field("uarch");
  const numbered = field("Model") ?? field("Hardware") ?? arm?.name;
  const model = named ?? (arm?.known ? arm.name : numbered);
  const sockets = new Set<string>();
  const cores = new Set<string>();
  for (const block of text.split("\n\n")) {
    const socket = /^physical id\s*:\s*(\d+)/m.exec(block)?.[1];
    const core = /^core id\s*:\s*(\d+)/m.exec(block)?.[1];
    if (socket !== undefined) sockets.add(socket);
    if (socket !== undefined && core !== undefined) cores.add(`${socket}/${core}`);
  }
  return {
    ...(model !== undefined && { model: model.replace(/\s+/g, " ") }),
    ...(sockets.size > 0 && { sockets: sockets.size }),
    ...(cores.size > 0 && { cores: cores.size }),
  };
}

/**
 * Sockets and cores from /sys (Documentation/admin-guide/cputopology.rst). A core is the set of threads that share it:
 * core_id counts anew in each cluster, and in each die of some processors.
 * @param threads Of the processors that are in use: "cpu0".
 */
function topology(machine: Machine, threads: readonly string[]): Omit<CpuIdentity, "model"> {
  const sockets = new Set<string>();
  const cores = new Set<string>();
  for (const name of threads) {
    const read = (file: string): string | undefined =>
      machine.read(`/sys/devices/system/cpu/${name}/topology/${file}`)?.trim() || undefined;
    const socket = read("physical_package_id");
    // -1: firmware and kernel do not know.
    if (socket !== undefined && /^\d+$/.test(socket)) sockets.add(socket);
    const core = read("core_cpus_list") ?? read("thread_siblings_list") ?? numbered(read, socket);
    if (core !== undefined) cores.add(core);
  }
  return { ...(sockets.size > 0 && { sockets: sockets.size }), ...(cores.size > 0 && { cores: cores.size }) };
}

function numbered(read: (file: string) => string | undefined, socket: string | undefined): string | undefined {
  const core = read("core_id");
  return socket === undefined || core === undefined ? undefined : `${socket}/${read("cluster_id") ?? ""}/${core}`;
}

/** What the CPUs are. Looked up again when threads come or go: CPUs are switched off and on, and added to virtual machines. */
class Chips {
  readonly #machine: Machine;
  #threads: string | undefined;
  #chip: CpuIdentity = {};

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** @param threads As /proc/stat lists them. */
  look(threads: readonly string[]): CpuIdentity {
    const all = threads.join(" ");
    if (all === this.#threads) return this.#chip;
    this.#threads = all;
    const info = parseInfo(this.#machine.read("/proc/cpuinfo") ?? "");
    this.#chip = { ...info, ...topology(this.#machine, threads) };
    return this.#chip;
  }
}

// Sensors of whole CPUs, as their kernel drivers call themselves in hwmon.
const sensors = new Set(["coretemp", "k10temp", "zenpower", "cpu_thermal"]);

const hwmon = "/sys/class/hwmon";

/**
 * Files that hold package temperatures in thousandths of a degree. Looked up again when a driver was loaded or unloaded:
 * the folders are then numbered anew, and the same number is another chip's.
 */
class Thermometers {
  readonly #machine: Machine;
  #chips = "";
  #files: readonly string[] = [];

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  files(): readonly string[] {
    const names = this.#machine.list(hwmon);
    const chips = names.map((chip) => [chip, this.#machine.read(`${hwmon}/${chip}/name`)?.trim() ?? ""] as const);
    const all = chips.flat().join("\n");
    if (all === this.#chips) return this.#files;
    this.#chips = all;
    this.#files = chips.flatMap(([chip, name]) => (sensors.has(name) ? this.#inputs(`${hwmon}/${chip}`) : []));
    return this.#files;
  }

  #inputs(folder: string): string[] {
    const inputs = this.#machine.list(folder).filter((name) => /^temp\d+_input$/.test(name));
    const label = (input: string): string =>
      this.#machine.read(`${folder}/${input.replace("_input", "_label")}`)?.trim() ?? "";
    // coretemp says "Physical id" on older kernels. k10temp offers Tctl with an offset that steers fans, and Tdie, the real one, on the CPUs where they differ.
    const whole = inputs.filter((input) => /^((Package|Physical) id \d+|Tdie)$/.test(label(input)));
    const chosen = whole.length > 0 ? whole : inputs.filter((input) => /^(Tctl|)$/.test(label(input)));
    return chosen.map((input) => `${folder}/${input}`);
  }
}

/** Hottest of them in °C; undefined when none answers. */
function hottest(machine: Machine, files: readonly string[]): number | undefined {
  let most: number | undefined;
  for (const file of files) {
    const degrees = Math.round((whole(machine.read(file)) ?? 0) / 1000);
    // A sensor that is switched off reads 0 or far out of range; neither is a temperature of a running CPU.
    if (degrees > 0 && degrees < 150 && (most === undefined || degrees > most)) most = degrees;
  }
  return most;
}

/**
 * Reads the CPUs. Utilization needs two readings: the first is taken when the source is opened, so that the first poll has
 * a baseline; a poll within a second of the start has no utilization.
 */
export const cpu: Source = {
  name: "cpu",
  async open(machine) {
    const text = machine.read("/proc/stat");
    const first = text === undefined ? undefined : parse(text);
    if (first === undefined) return undefined;
    const kept = { chips: new Chips(machine), heat: new Thermometers(machine), baseline: new Baseline<Ticks>() };
    kept.baseline.take(machine.ticks(), first);
    return {
      async read() {
        return part(machine, kept);
      },
      async close() {},
    };
  },
};

interface Kept {
  readonly chips: Chips;
  readonly heat: Thermometers;
  readonly baseline: Baseline<Ticks>;
}

function part(machine: Machine, { chips, heat, baseline }: Kept): SourcePart {
  const text = machine.read("/proc/stat") ?? "";
  const now = parse(text);
  if (now === undefined) throw new Error("/proc/stat cannot be read");
  const since = baseline.take(machine.ticks(), now);
  const threads = threadsOf(text);
  const temp = hottest(machine, heat.files());
  return {
    cpu: {
      ...chips.look(threads),
      ...(threads.length > 0 && { threads: threads.length }),
      ...(since && share(since.from, now)),
      ...(temp !== undefined && { temp }),
    },
  };
}
