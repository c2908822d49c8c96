import { meminfo } from "../machine/meminfo.ts";
import type { Part, Source } from "./source.ts";

/** @throws Error when the text is not /proc/meminfo. */
export function part(text: string): Part {
  const bytes = meminfo(text);
  const total = bytes.get("MemTotal");
  if (total === undefined) throw new Error("/proc/meminfo has no MemTotal");
  const available = bytes.get("MemAvailable") ?? estimate(bytes);
  const cached = bytes.get("Cached");
  const swapTotal = bytes.get("SwapTotal");
  const swapFree = bytes.get("SwapFree");
  return {
    memory: {
      total,
      ...(available !== undefined && { available, used: less(total, available) }),
      ...(cached !== undefined && { cached }),
      ...(swapTotal !== undefined && { swapTotal }),
      ...(swapTotal !== undefined && swapFree !== undefined && { swapUsed: less(swapTotal, swapFree) }),
    },
  };
}

/** Kernels before 3.14 and some containers do not say MemAvailable. */
function estimate(bytes: ReadonlyMap<string, bigint>): bigint | undefined {
  const free = bytes.get("MemFree");
  return free === undefined ? undefined : free + (bytes.get("Buffers") ?? 0n) + (bytes.get("Cached") ?? 0n);
}

const less = (from: bigint, by: bigint): bigint => (from > by ? from - by : 0n);

export const memory: Source = {
  name: "memory",
  async open(machine) {
    if (machine.read("/proc/meminfo") === undefined) return undefined;
    return {
      async read() {
        return part(machine.read("/proc/meminfo") ?? "");
      },
      async close() {},
    };
  },
};
