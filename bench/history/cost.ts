// What a process has used, as the kernel counts it.
import { readFileSync, writeFileSync } from "node:fs";

export interface Written {
  /** Bytes that were sent towards the disk: pages made dirty (write_bytes). */
  readonly disk: number;
  /** Bytes given to write() and the like, sockets and pipes among them (wchar). */
  readonly calls: number;
}

const field = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN);

export function written(pid: number | "self"): Written {
  const text = readFileSync(`/proc/${pid}/io`, "utf8");
  return { disk: field(text, "write_bytes"), calls: field(text, "wchar") };
}

/** Largest resident set so far, in bytes. */
export const peak = (pid: number | "self"): number =>
  field(readFileSync(`/proc/${pid}/status`, "utf8"), "VmHWM") * 1024;

/** The peak of this process counts from now. */
export const resetPeak = (): void => writeFileSync("/proc/self/clear_refs", "5");

/** CPU seconds of this process, user and system, all threads. */
export function ownCpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
