import type { Machine } from "../machine.ts";
import { Baseline, type Part, type Source } from "./source.ts";

/** Time all hardware threads spent since the machine was started, in clock ticks. */
export interface Ticks {
  readonly total: number;
  readonly idle: number;
  readonly iowait: number;
}

/** First line of /proc/stat. Guest time is inside user time already (proc(5)). */
export function parse(text: string): Ticks | undefined {
  const fields = /^cpu +((?:\d+ ?)+)/.exec(text)?.[1]?.trim().split(" ").map(Number);
  if (fields === undefined || fields.length < 4) return undefined;
  const [user = 0, nice = 0, kernel = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = fields;
  return { total: user + nice + kernel + idle + iowait + irq + softirq + steal, idle, iowait };
}

/** Hardware threads the system schedules on: the cpuN lines of /proc/stat. */
export function countThreads(text: string): number {
  return text.match(/^cpu\d+ /gm)?.length ?? 0;
}

/** Percent of the time between two readings; undefined where the counters stood still or went back (a thread was taken offline). */
export function share(from: Ticks, to: Ticks): { busy: number; iowait: number } | undefined {
  const total = to.total - from.total;
  const idle = to.idle - from.idle;
  // The kernel's iowait may shrink by itself; proc(5) calls it unreliable.
  const iowait = Math.max(0, to.iowait - from.iowait);
  if (total <= 0 || idle < 0 || idle > total) return undefined;
  const percent = (ticks: number): number => Math.round(Math.min(100, Math.max(0, (ticks / total) * 100)) * 100) / 100;
  return { busy: percent(total - idle - iowait), iowait: percent(iowait) };
}

/** What a CPU is. */
export interface Chip {
  readonly model?: string;
  readonly sockets?: number;
  readonly cores?: number;
}

// Arm does not name its cores in /proc/cpuinfo; numbers from the MIDR_EL1 part list of the Arm manuals.
const arm: Readonly<Record<string, string>> = {
  "0x41/0xd08": "Arm Cortex-A72",
  "0x41/0xd0b": "Arm Cortex-A76",
  "0x41/0xd0c": "Arm Neoverse N1",
  "0x41/0xd40": "Arm Neoverse V1",
  "0x41/0xd42": "Arm Cortex-A78AE",
  "0x41/0xd49": "Arm Neoverse N2",
  "0x41/0xd4f": "Arm Neoverse V2",
  "0x48/0xd01": "HiSilicon TSV110",
  "0xc0/0xac3": "Ampere-1",
};

/** /proc/cpuinfo. Sockets and cores are absent where it does not tell them. */
export function parseInfo(text: string): Chip {
  const field = (key: string): string | undefined =>
    new RegExp(`^${key}[ \\t]*:[ \\t]*(.*)$`, "m").exec(text)?.[1]?.trim() || undefined;
  const named = field("model name") ?? field("cpu model") ?? field("cpu");
  const model = named ?? arm[`${field("CPU implementer")}/${field("CPU part")}`] ?? field("Model") ?? field("Hardware");
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

/** Sockets and cores from /sys, for machines whose /proc/cpuinfo does not number them. */
function topology(machine: Machine): Chip {
  const top = "/sys/devices/system/cpu";
  const sockets = new Set<string>();
  const cores = new Set<string>();
  for (const name of machine.list(top)) {
    if (!/^cpu\d+$/.test(name)) continue;
    const socket = machine.read(`${top}/${name}/topology/physical_package_id`)?.trim();
    const core = machine.read(`${top}/${name}/topology/core_id`)?.trim();
    if (socket === undefined || core === undefined) continue;
    sockets.add(socket);
    cores.add(`${socket}/${core}`);
  }
  return { ...(sockets.size > 0 && { sockets: sockets.size }), ...(cores.size > 0 && { cores: cores.size }) };
}

// Sensors of whole CPUs, as their kernel drivers call themselves in hwmon.
const sensors = new Set(["coretemp", "k10temp", "zenpower", "cpu_thermal"]);

/** Files that hold package temperatures in thousandths of a degree. */
function thermometers(machine: Machine): string[] {
  const top = "/sys/class/hwmon";
  return machine.list(top).flatMap((chip) => {
    if (!sensors.has(machine.read(`${top}/${chip}/name`)?.trim() ?? "")) return [];
    const inputs = machine.list(`${top}/${chip}`).filter((name) => /^temp\d+_input$/.test(name));
    const label = (input: string): string =>
      machine.read(`${top}/${chip}/${input.replace("_input", "_label")}`)?.trim() ?? "";
    // k10temp offers Tctl with an offset that steers fans, and Tdie, the real one, on the CPUs where they differ.
    const whole = inputs.filter((input) => /^(Package id \d+|Tdie)$/.test(label(input)));
    const chosen = whole.length > 0 ? whole : inputs.filter((input) => /^(Tctl|)$/.test(label(input)));
    return chosen.map((input) => `${top}/${chip}/${input}`);
  });
}

/** Hottest of them in °C; undefined when none answers. */
function hottest(machine: Machine, files: readonly string[]): number | undefined {
  let most: number | undefined;
  for (const file of files) {
    const degrees = Math.round(Number(machine.read(file) ?? Number.NaN) / 1000);
    // A sensor that is switched off reads 0 or far out of range; neither is a temperature of a running CPU.
    if (degrees > 0 && degrees < 150 && (most === undefined || degrees > most)) most = degrees;
  }
  return most;
}

/**
 * CPU shares need two readings. The first is taken when the source is opened, so that the first poll has something to
 * count from; a poll that follows within a second of the start gets no share rather than an invented one.
 */
export const cpu: Source = {
  name: "cpu",
  async open(machine) {
    const text = machine.read("/proc/stat");
    const first = text === undefined ? undefined : parse(text);
    if (first === undefined) return undefined;
    const info = parseInfo(machine.read("/proc/cpuinfo") ?? "");
    const chip = info.cores === undefined ? { ...info, ...topology(machine) } : info;
    const files = thermometers(machine);
    const baseline = new Baseline<Ticks>();
    baseline.take(machine.ticks(), first);
    return {
      async read() {
        return part(machine, { chip, files, baseline });
      },
      async close() {},
    };
  },
};

function part(machine: Machine, kept: { chip: Chip; files: readonly string[]; baseline: Baseline<Ticks> }): Part {
  const text = machine.read("/proc/stat") ?? "";
  const now = parse(text);
  if (now === undefined) throw new Error("/proc/stat cannot be read");
  const since = kept.baseline.take(machine.ticks(), now);
  const threads = countThreads(text);
  const temp = hottest(machine, kept.files);
  return {
    cpu: {
      ...kept.chip,
      ...(threads > 0 && { threads }),
      ...(since && share(since.from, now)),
      ...(temp !== undefined && { temp }),
    },
  };
}
