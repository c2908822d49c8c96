import { create } from "@bufbuild/protobuf";
import { type GPUInfo, type HostInfo, HostInfoSchema } from "../../proto/gen/host_pb.js";
import type { HostConfig } from "../book/book.ts";

/** The devices of a report. */
export type DeviceLists = Pick<HostInfo, "gpus" | "disks" | "nics">;

/** Decides which devices of a host are kept; undefined for all of a kind. */
export interface DeviceSelection {
  readonly gpus: ReadonlySet<number> | undefined;
  readonly disks: ReadonlySet<string> | undefined;
  readonly nics: ReadonlySet<string> | undefined;
}

/** Compiled selections: a report of a large host has hundreds of devices. */
const compiled = new WeakMap<HostConfig, DeviceSelection>();

/** The selection of a configuration; undefined if every device is kept. */
export function selectionOf(config: HostConfig | undefined): DeviceSelection | undefined {
  if (config === undefined) return undefined;
  const { gpuIndices, diskMounts, nicNames } = config;
  if (gpuIndices === null && diskMounts === null && nicNames === null) return undefined;
  const known = compiled.get(config);
  if (known !== undefined) return known;
  const made = { gpus: setOf(gpuIndices), disks: setOf(diskMounts), nics: setOf(nicNames) };
  compiled.set(config, made);
  return made;
}

const setOf = <T>(items: readonly T[] | null): ReadonlySet<T> | undefined =>
  items === null ? undefined : new Set(items);

/** Returns the selected devices. A GPU's processes go with it. */
export function select({ gpus, disks, nics }: DeviceLists, selection: DeviceSelection): DeviceLists {
  return {
    gpus: kept(gpus, selection.gpus, (gpu) => indexOf(gpu, gpus)),
    disks: kept(disks, selection.disks, ({ mount, device }) => mount ?? device ?? ""),
    nics: kept(nics, selection.nics, ({ name }) => name ?? ""),
  };
}

const kept = <T, K>(all: T[], keys: ReadonlySet<K> | undefined, keyOf: (device: T) => K): T[] =>
  keys === undefined ? all : all.filter((device) => keys.has(keyOf(device)));

/** Index of a card. An instance has that of the card that it is part of, which its own id contains if the card is not listed. */
function indexOf({ id = 0, parent }: GPUInfo, gpus: readonly GPUInfo[]): number {
  if (parent === undefined) return id;
  const card = gpus.find(({ uuid }) => uuid === parent);
  return card === undefined ? Math.floor(id / 1000) - 1 : (card.id ?? 0);
}

/** A copy of a report with other devices. */
export function withDevices({ $typeName, ...fields }: HostInfo, { gpus, disks, nics }: DeviceLists): HostInfo {
  return create(HostInfoSchema, { ...fields, gpus, disks, nics });
}
