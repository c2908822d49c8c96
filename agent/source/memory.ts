import { arcOf, availableOf, less, meminfo } from "../machine/meminfo.ts";
import { given } from "../number.ts";
import type { Source, SourcePart } from "./source.ts";

/**
 * @param text /proc/meminfo.
 * Parses /proc/meminfo.
 * @param arc Memory that ZFS would release, in bytes.
 * @throws Error if the text is not /proc/meminfo.
 */
export function part(text: string, arc = 0n): SourcePart {
  const bytes = meminfo(text);
  const total = bytes.get("MemTotal");
  if (total === undefined) throw new Error("/proc/meminfo has no MemTotal");
  const available = availableOf(bytes, arc);
  // Shared memory and tmpfs are in Cached, yet copies of no file, and not given back.
  const cached = bytes.get("Cached");
  const copies = cached === undefined ? undefined : less(cached, bytes.get("Shmem") ?? 0n) + arc;
  const swapTotal = bytes.get("SwapTotal");
  const swapFree = bytes.get("SwapFree");
  return {
    memory: {
      total,
      ...(available !== undefined && { available, used: less(total, available) }),
      ...given("cached", copies === undefined || copies > total ? undefined : copies),
      ...given("swapTotal", swapTotal),
      ...(swapTotal !== undefined && swapFree !== undefined && { swapUsed: less(swapTotal, swapFree) }),
    },
  };
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
