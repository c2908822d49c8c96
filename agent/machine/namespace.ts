import type { Machine } from "./machine.ts";

/**
 * The PID namespace that a system starts with bears this number wherever it runs: PID_NS_INIT_INO in
 * include/uapi/linux/nsfs.h, PROC_PID_INIT_INO before that became part of the interface, 0xEFFFFFFC since Linux 3.8.
 */
const first = "pid:[4026531836]";

/** PF_KTHREAD of include/linux/sched.h, in field 9 of /proc/PID/stat. */
const kernelThread = 0x20_0000;

/** Threads of the kernel live in the first namespace only, where number 2 starts all others and never ends. */
function startsThreads(stat: string): boolean {
  // The name is in brackets and may contain blanks and brackets.
  const flags = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[6] ?? 0);
  return (flags & kernelThread) !== 0;
}

/**
 * True if /proc shows only the processes of a container. Process ids that a driver reports are the host's, and mean other
 * processes here. A container with the host's /proc below the root sees the host's processes.
 */
export function isContained(machine: Machine): boolean {
  const own = machine.link("/proc/self/ns/pid");
  // Played machines and kernels without such files show no other namespace.
  if (own === undefined || own === first) return false;
  return !startsThreads(machine.read("/proc/2/stat") ?? "");
}

/** Note of sources on such a machine. */
export const containedNote =
  "This container sees only its own processes: others on the GPUs are not named, or not listed at all. " +
  "With the host's processes (docker run --pid host, hostPID: true) they are";
