// A machine made of texts, for tests of sources.
import type { Machine } from "../agent/machine/machine.ts";

/** Content of the machine; files that are left out do not exist. `files` may be changed while the test runs. */
export interface MachineContent extends Partial<Machine> {
  readonly files?: Record<string, string>;
  readonly lists?: Record<string, readonly string[]>;
}

export function machineOf({ files = {}, lists = {}, ...rest }: MachineContent): Machine {
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

/** A machine with changed files, folders and time. All may be changed while the test runs. */
export interface AlteredMachine extends Machine {
  /** Content of changed text files; undefined for a file that does not exist or cannot be read. */
  readonly files: Record<string, string | undefined>;
  /** Content of changed binary files. */
  readonly tables: Record<string, Uint8Array | undefined>;
  /** Names in changed folders. */
  readonly folders: Record<string, readonly string[]>;
  /** Paths of the files that were read. */
  readonly heard: string[];
  /** Milliseconds since the test began. */
  passed: number;
}

export function altered(machine: Machine): AlteredMachine {
  const files: Record<string, string | undefined> = {};
  const tables: Record<string, Uint8Array | undefined> = {};
  const folders: Record<string, readonly string[]> = {};
  const heard: string[] = [];
  const read = (path: string): string | undefined => {
    heard.push(path);
    return path in files ? files[path] : machine.read(path);
  };
  const self: AlteredMachine = {
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
