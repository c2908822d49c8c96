// A machine made of a few texts, for tests of what reads machines.
import type { Machine } from "../agent/machine/machine.ts";

/** What the machine says; what is left out is not there. `files` may be changed while the test runs. */
export interface Said extends Partial<Machine> {
  readonly files?: Record<string, string>;
  readonly lists?: Record<string, readonly string[]>;
}

export function machineOf({ files = {}, lists = {}, ...rest }: Said): Machine {
  return {
    root: "/",
    read: (path) => files[path],
    bytes: (path) => (files[path] === undefined ? undefined : Buffer.from(files[path], "latin1")),
    list: (path) => [...(lists[path] ?? [])],
    readApart: (path) => Promise.resolve(files[path]),
    opened: () => [],
    product: () => undefined,
    link: () => undefined,
    space: () => Promise.reject(new Error("no such mount")),
    addresses: () => [],
    hostname: () => "box",
    users: () => Promise.resolve(new Map()),
    grants: () => undefined,
    now: () => 1_700_000_000_000,
    ticks: () => 0,
    ...rest,
  };
}

export const options = {
  nvml: "",
  network: "10.0.0.0/8",
  deadline: 5000,
  kubelet: "/var/lib/kubelet/pod-resources/kubelet.sock",
  log: { info: () => undefined, warn: () => undefined },
};

export const never = new AbortController().signal;

/**
 * The same machine where some files hold other text (undefined: not there or not readable), some folders other names,
 * and time runs. All may be changed while the test runs. `heard` lists the files that were read.
 */
export interface Altered extends Machine {
  readonly files: Record<string, string | undefined>;
  /** Of files that are no text. */
  readonly tables: Record<string, Uint8Array | undefined>;
  readonly folders: Record<string, readonly string[]>;
  readonly heard: string[];
  /** Milliseconds since the test began. */
  passed: number;
}

export function altered(machine: Machine): Altered {
  const files: Record<string, string | undefined> = {};
  const tables: Record<string, Uint8Array | undefined> = {};
  const folders: Record<string, readonly string[]> = {};
  const heard: string[] = [];
  const read = (path: string): string | undefined => {
    heard.push(path);
    return path in files ? files[path] : machine.read(path);
  };
  const self: Altered = {
    ...machine,
    files,
    tables,
    folders,
    heard,
    passed: 0,
    read,
    readApart: async (path) => read(path),
    bytes(path) {
      heard.push(path);
      return path in tables ? tables[path] : machine.bytes(path);
    },
    list: (path) => [...(folders[path] ?? machine.list(path))],
    now: () => machine.now() + self.passed,
    ticks: () => self.passed,
  };
  return self;
}
