// CPU, memory and written bytes of a process, from /proc.
import { readFileSync, writeFileSync } from "node:fs";

export interface Written {
  /** Bytes written to the disk: dirtied pages (write_bytes). */
  readonly disk: number;
  /** Bytes passed to write() and similar calls, sockets and pipes included (wchar). */
  readonly calls: number;
}

const field = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN);

export function written(pid: number | "self"): Written {
  const text = readFileSync(`/proc/${pid}/io`, "utf8");
  return { disk: field(text, "write_bytes"), calls: field(text, "wchar") };
}

/** Returns the peak resident set size in bytes. */
export const peak = (pid: number | "self"): number =>
  field(readFileSync(`/proc/${pid}/status`, "utf8"), "VmHWM") * 1024;

/** Resets the peak resident set size of this process. */
export const resetPeak = (): void => writeFileSync("/proc/self/clear_refs", "5");

/** Returns the CPU seconds of this process, user and system, all threads. */
export function ownCpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
