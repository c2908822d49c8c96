import type { Machine } from "./machine.ts";

/** Bytes by key of /proc/meminfo; empty where the text is something else. */
export function meminfo(text: string): ReadonlyMap<string, bigint> {
  const bytes = new Map<string, bigint>();
  for (const [, key = "", amount = "0"] of text.matchAll(/^([^\s:]+):\s+(\d+) kB$/gm)) {
    bytes.set(key, BigInt(amount) * 1024n);
  }
  return bytes;
}

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

/** Kernels before 3.14 and some containers do not say MemAvailable. */
function estimate(bytes: ReadonlyMap<string, bigint>): bigint | undefined {
  const free = bytes.get("MemFree");
  const cached = less(bytes.get("Cached") ?? 0n, bytes.get("Shmem") ?? 0n);
  return free === undefined ? undefined : free + (bytes.get("Buffers") ?? 0n) + cached;
}

/** The difference; 0 where it would be negative. */
export const less = (from: bigint, by: bigint): bigint => (from > by ? from - by : 0n);

/** True where a container's /proc/meminfo is made for it alone (lxcfs): the cache of the whole machine is not in it. */
const ownMeminfo = (mounts: string): boolean => / \/proc\/meminfo /.test(mounts);

/** Memory that ZFS would release, in bytes; 0 without ZFS. */
export function arcOf(machine: Machine): bigint {
  const text = machine.read("/proc/spl/kstat/zfs/arcstats");
  const arc = text === undefined ? 0n : (parseArc(text) ?? 0n);
  return arc === 0n || ownMeminfo(machine.read("/proc/mounts") ?? "") ? 0n : arc;
}

/** Memory available to programs, in bytes: the kernel's value and what others release on demand. Undefined without such a value. */
export function availableOf(bytes: ReadonlyMap<string, bigint>, arc: bigint): bigint | undefined {
  const available = bytes.get("MemAvailable") ?? estimate(bytes);
  // Pages that graphics drivers keep for the next buffer, since 6.18: "shrinker reclaimable" (Documentation/filesystems/proc.rst).
  const all = available === undefined ? undefined : available + arc + (bytes.get("GPUReclaim") ?? 0n);
  const total = bytes.get("MemTotal");
  return all === undefined || total === undefined || all < total ? all : total;
}
