import { given } from "../../proto/number.ts";
import { meminfo } from "../machine/meminfo.ts";
import type { Machine } from "../machine.ts";
import type { Part, Source } from "./source.ts";

/**
 * Bytes that ZFS gives back when programs need them: its cache (ARC) down to the least that it keeps. Undefined for what is
 * no arcstats. The kernel does not know of it: MemAvailable leaves it out.
 */
export function parseArc(text: string): bigint | undefined {
  const field = (name: string): bigint | undefined => {
    const digits = new RegExp(`^${name}\\s+\\d+\\s+(\\d{1,19})$`, "m").exec(text)?.[1];
    return digits === undefined ? undefined : BigInt(digits);
  };
  const size = field("size");
  const least = field("c_min");
  return size === undefined || least === undefined ? undefined : less(size, least);
}

/**
 * @param text /proc/meminfo.
 * @param arc What ZFS would give back, in bytes.
 * @throws Error when the text is not /proc/meminfo.
 */
export function part(text: string, arc = 0n): Part {
  const bytes = meminfo(text);
  const total = bytes.get("MemTotal");
  if (total === undefined) throw new Error("/proc/meminfo has no MemTotal");
  // Pages that graphics drivers keep for the next buffer, since 6.18: "shrinker reclaimable" (Documentation/filesystems/proc.rst).
  const beside = arc + (bytes.get("GPUReclaim") ?? 0n);
  const told = bytes.get("MemAvailable") ?? estimate(bytes);
  const available = told === undefined ? undefined : least(told + beside, total);
  // Shared memory and tmpfs are in Cached, yet copies of no file, and not given back.
  const cached = bytes.get("Cached");
  const copies = cached === undefined ? undefined : less(cached, bytes.get("Shmem") ?? 0n) + arc;
  const swapTotal = bytes.get("SwapTotal");
  const swapFree = bytes.get("SwapFree");
  return {
    memory: {
      total,
      ...(available !== undefined && { available, used: less(total, available) }),
      ...given("cached", copies),
      ...given("swapTotal", swapTotal),
      ...(swapTotal !== undefined && swapFree !== undefined && { swapUsed: less(swapTotal, swapFree) }),
    },
  };
}

/** Kernels before 3.14 and some containers do not say MemAvailable. */
function estimate(bytes: ReadonlyMap<string, bigint>): bigint | undefined {
  const free = bytes.get("MemFree");
  const cached = less(bytes.get("Cached") ?? 0n, bytes.get("Shmem") ?? 0n);
  return free === undefined ? undefined : free + (bytes.get("Buffers") ?? 0n) + cached;
}

const less = (from: bigint, by: bigint): bigint => (from > by ? from - by : 0n);
const least = (one: bigint, other: bigint): bigint => (one < other ? one : other);

/** True where a container's /proc/meminfo is made for it alone (lxcfs): the cache of the whole machine is not in it. */
const ownMeminfo = (mounts: string): boolean => / \/proc\/meminfo /.test(mounts);

function arcOf(machine: Machine): bigint {
  const arc = parseArc(machine.read("/proc/spl/kstat/zfs/arcstats") ?? "") ?? 0n;
  return arc === 0n || ownMeminfo(machine.read("/proc/mounts") ?? "") ? 0n : arc;
}

export const memory: Source = {
  name: "memory",
  async open(machine) {
    if (machine.read("/proc/meminfo") === undefined) return undefined;
    return {
      async read() {
        return part(machine.read("/proc/meminfo") ?? "", arcOf(machine));
      },
      async close() {},
    };
  },
};
