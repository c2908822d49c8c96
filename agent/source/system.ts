import type { Machine } from "../machine/machine.ts";
import { given } from "../number.ts";
import type { Source, SourcePart } from "./source.ts";

/** Parses NAME and VERSION_ID of os-release(5). */
export function parseRelease(text: string): { os?: string; osVersion?: string } {
  const value = (key: string): string | undefined => {
    const raw = new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1]?.trim();
    const quoted = raw === undefined ? null : /^(["'])(.*)\1$/.exec(raw);
    return (quoted ? quoted[2]?.replace(/\\(["'`$\\])/g, "$1") : raw) || undefined;
  };
  const os = value("NAME");
  const osVersion = value("VERSION_ID");
  return { ...(os !== undefined && { os }), ...(osVersion !== undefined && { osVersion }) };
}

/** Most processes that Linux can have (PID_MAX_LIMIT): a greater count is an underflow in the kernel. */
const mostLoad = 4_194_304;

/** Parses the three averages of /proc/loadavg. */
export function parseLoad(text: string): { load1?: number; load5?: number; load15?: number } {
  const loads = /^(\d+\.\d+) (\d+\.\d+) (\d+\.\d+) /.exec(text)?.slice(1).map(Number);
  if (loads === undefined || loads.some((load) => load > mostLoad)) return {};
  const [load1 = 0, load5 = 0, load15 = 0] = loads;
  return { load1, load5, load15 };
}

/** Parses /proc/uptime: whole seconds since boot. */
export function parseUptime(text: string): bigint | undefined {
  const seconds = /^(\d+)(?:\.\d+)? /.exec(text)?.[1];
  return seconds === undefined ? undefined : BigInt(seconds);
}

/**
 * Counts the processes in /proc. Undefined if process 1 is missing: then the system hides other users' processes (hidepid of
 * proc(5)), and the list is incomplete.
 */
export function countProcesses(names: readonly string[]): number | undefined {
  let count = 0;
  let first = false;
  for (const name of names) {
    const digit = name.charCodeAt(0);
    if (digit >= 48 && digit <= 57) count++;
    first ||= name === "1";
  }
  return first ? count : undefined;
}

/** What changes only when the system is upgraded or started anew: an agent outlives the first of these. */
function identity(machine: Machine): NonNullable<SourcePart["system"]> {
  // A container with only this file of the host must not report its own image's name.
  const files = ["/host/etc/os-release", "/etc/os-release", "/usr/lib/os-release"];
  const releases = files.map((file) => parseRelease(machine.read(file) ?? ""));
  // As in the earlier exporter, a file counts with both; where none has both, a name is better than nothing.
  const release =
    releases.find(({ os, osVersion }) => os !== undefined && osVersion !== undefined) ??
    releases.find(({ os }) => os !== undefined);
  const kernel = machine.read("/proc/sys/kernel/osrelease")?.trim();
  const bootId = machine.read("/proc/sys/kernel/random/boot_id")?.trim();
  return { ...release, ...(kernel && { kernel }), ...(bootId && { bootId }) };
}

/** Milliseconds for which the name of the system is cached. */
const lasting = 60_000;

export const system: Source = {
  name: "system",
  async open(machine) {
    let known: ReturnType<typeof identity> = {};
    let until = Number.NEGATIVE_INFINITY;
    return {
      async read() {
        if (machine.ticks() >= until) {
          known = identity(machine);
          until = machine.ticks() + lasting;
        }
        const uptime = parseUptime(machine.read("/proc/uptime") ?? "");
        const load = parseLoad(machine.read("/proc/loadavg") ?? "");
        const processes = countProcesses(machine.list("/proc"));
        return {
          hostname: machine.hostname(),
          system: { ...known, ...load, ...given("uptime", uptime), ...given("processes", processes) },
        };
      },
      async close() {},
    };
  },
};
