import { readdirSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import type { Address, Grant, Machine, OpenFile, PciIdentity, Space } from "./machine.ts";

/** capture.json: what a machine said that was not the text of a file. */
export interface Capture {
  /** Version of this layout. */
  readonly format: 1;
  /** Unix milliseconds at which the machine was written down. */
  readonly time: number;
  /** Prefix it was read under; paths in the folder are without it. */
  readonly root: string;
  readonly hostname: string;
  readonly addresses: readonly Address[];
  /** By mount; null where the mount did not answer. */
  readonly spaces: Readonly<Record<string, Space | null>>;
  /** Names of users by uid. */
  readonly users: Readonly<Record<string, string>>;
  /** Folders whose names were asked for. */
  readonly lists: Readonly<Record<string, readonly string[]>>;
  readonly links: Readonly<Record<string, string>>;
  /** What processes had open below the folders asked for, by pid. */
  readonly opened?: Readonly<Record<string, readonly OpenFile[]>>;
  /** What chips are sold as, by "vendor:device:revision". */
  readonly products?: Readonly<Record<string, string>>;
  /** Device allocations of Kubernetes; absent if there is no kubelet. */
  readonly grants?: readonly Grant[];
}

const keyOf = ({ vendor, device, revision }: PciIdentity): string => `${vendor}:${device}:${revision}`;

/** Everything that was read so far, to be written into a directory. */
export interface Recorded {
  readonly capture: Capture;
  /** Path on the machine → text, or bytes of a binary file. */
  readonly files: ReadonlyMap<string, string | Uint8Array>;
}

const isEnvironment = /^\/proc\/\d+\/environ$/;

/** Variables of a process's environment that are recorded; others may be passwords. */
const harmless = (text: string): string =>
  text
    .split("\0")
    .filter((each) => each.startsWith("SLURM_JOB_ID="))
    .join("\0");

/** A machine that notes down every answer it passes on. */
export interface RecordingMachine extends Machine {
  recorded(): Recorded;
}

export function recordingMachine(machine: Machine): RecordingMachine {
  const files = new Map<string, string | Uint8Array>();
  const lists: Record<string, string[]> = {};
  const links: Record<string, string> = {};
  const spaces: Record<string, Space | null> = {};
  const users: Record<string, string> = {};
  const opened: Record<string, OpenFile[]> = {};
  const products: Record<string, string> = {};
  let granted: readonly Grant[] | undefined;
  const heard = (path: string, text: string | undefined): string | undefined => {
    if (text !== undefined) files.set(path, isEnvironment.test(path) ? harmless(text) : text);
    return text;
  };
  return {
    root: machine.root,
    read: (path) => heard(path, machine.read(path)),
    bytes(path) {
      const bytes = machine.bytes(path);
      if (bytes !== undefined) files.set(path, bytes);
      return bytes;
    },
    readApart: async (path) => heard(path, await machine.readApart(path)),
    list(path) {
      const names = machine.list(path);
      if (names.length > 0) lists[path] = names;
      return names;
    },
    link(path) {
      const target = machine.link(path);
      if (target !== undefined) links[path] = target;
      return target;
    },
    opened(pid, folder) {
      const found = machine.opened(pid, folder);
      const before = (opened[pid] ?? []).filter(({ path }) => !path.startsWith(`${folder}/`));
      if (before.length + found.length > 0) opened[pid] = [...before, ...found];
      return found;
    },
    product(chip) {
      const name = machine.product(chip);
      if (name !== undefined) products[keyOf(chip)] = name;
      return name;
    },
    async space(mount, options) {
      spaces[mount] = null;
      const space = await machine.space(mount, options);
      spaces[mount] = space;
      return space;
    },
    addresses: () => machine.addresses(),
    hostname: () => machine.hostname(),
    async users(uids) {
      const names = await machine.users(uids);
      for (const [uid, name] of names) users[uid] = name;
      return names;
    },
    grants(socket, deadline) {
      const asked = machine.grants(socket, deadline);
      return asked?.then((grants) => {
        granted = grants;
        return grants;
      });
    },
    now: () => machine.now(),
    ticks: () => machine.ticks(),
    recorded: () => ({
      files,
      capture: {
        format: 1,
        time: machine.now(),
        root: machine.root,
        hostname: machine.hostname(),
        addresses: machine.addresses(),
        spaces,
        users,
        lists,
        links,
        opened,
        products,
        ...(granted !== undefined && { grants: granted }),
      },
    }),
  };
}

/** Clock of a machine that is played back. */
export interface PlaybackClock {
  now(): number;
  ticks(): number;
}

/** True when the folder is one that `hmonitor capture` wrote. */
export function isCapture(folder: string): boolean {
  return loadCapture(folder) !== undefined;
}

function loadCapture(folder: string): Capture | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, "capture.json"), "utf8");
  } catch {
    return undefined; // no such file: the folder is something else
  }
  const capture = JSON.parse(text) as Capture;
  if (capture.format !== 1) {
    throw new Error(`${folder}/capture.json has format ${JSON.stringify(capture.format)}: this version reads 1`);
  }
  return capture;
}

/**
 * Plays back a captured machine. Time stays at the moment of the capture unless a clock is given.
 * @throws Error if the directory is not a capture, or is one of a later version.
 */
export function capturedMachine(folder: string, clock?: PlaybackClock): Machine {
  const capture = loadCapture(folder);
  if (capture === undefined) throw new Error(`${folder} has no capture.json: it is not a captured machine`);
  const at = (path: string): string => join(folder, normalize(join("/", path)));
  const bytes = (path: string): Buffer | undefined => {
    try {
      return readFileSync(at(path));
    } catch {
      return undefined; // was not there on the machine either
    }
  };
  const read = (path: string): string | undefined => bytes(path)?.toString("utf8");
  return {
    root: capture.root,
    read,
    bytes,
    readApart: async (path) => read(path),
    opened: (pid, folder) => (capture.opened?.[pid] ?? []).filter(({ path }) => path.startsWith(`${folder}/`)),
    product: (chip) => capture.products?.[keyOf(chip)],
    list(path) {
      const noted = capture.lists[path];
      if (noted !== undefined) return [...noted];
      try {
        return readdirSync(at(path));
      } catch {
        return []; // was not there on the machine either
      }
    },
    link: (path) => capture.links[path],
    async space(mount) {
      const space = capture.spaces[mount];
      if (!space) throw Object.assign(new Error(`${mount}: did not answer when captured`), { name: "SpaceTimeout" });
      return space;
    },
    addresses: () => [...capture.addresses],
    hostname: () => capture.hostname,
    async users(uids) {
      return new Map(uids.flatMap((uid) => (capture.users[uid] === undefined ? [] : [[uid, capture.users[uid]]])));
    },
    grants: () => (capture.grants === undefined ? undefined : Promise.resolve(capture.grants)),
    now: clock ? () => clock.now() : () => capture.time,
    ticks: clock ? () => clock.ticks() : () => 0,
  };
}
