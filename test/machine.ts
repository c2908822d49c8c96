// A machine made of a few texts, for tests of what reads machines.
import type { Machine } from "../agent/machine.ts";

/** What the machine says; what is left out is not there. `files` may be changed while the test runs. */
export interface Said extends Partial<Omit<Machine, "read" | "list">> {
  readonly files?: Record<string, string>;
  readonly lists?: Record<string, readonly string[]>;
}

export function machineOf({ files = {}, lists = {}, ...rest }: Said): Machine {
  return {
    root: "/",
    read: (path) => files[path],
    list: (path) => [...(lists[path] ?? [])],
    link: () => undefined,
    space: () => Promise.reject(new Error("no such mount")),
    addresses: () => [],
    hostname: () => "box",
    users: () => Promise.resolve(new Map()),
    now: () => 1_700_000_000_000,
    ticks: () => 0,
    ...rest,
  };
}

export const options = {
  nvml: "",
  network: "10.0.0.0/8",
  deadline: 5000,
  log: { info: () => undefined, warn: () => undefined },
};

export const never = new AbortController().signal;
