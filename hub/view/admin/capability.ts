import type { HostInfo, NicInfo } from "../../../proto/gen/host_pb.js";
import type { Capabilities } from "../../book/book.ts";

const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;

/**
 * What a host can report, of one of its reports: as a machine that registers would say it. MIG instances are part of their
 * GPU. Memory of GPUs in MiB, other sizes in GiB with one decimal.
 */
export function capabilitiesOf(info: Pick<HostInfo, "cpu" | "memory" | "gpus" | "disks" | "nics">): Capabilities {
  const { cpu, memory } = info;
  return {
    ...defined("cpuCores", cpu?.threads),
    ...defined("memoryTotalGB", tenths(memory?.total)),
    gpus: info.gpus
      .filter(({ parent }) => parent === undefined)
      .map(({ id = 0, name = "", memTotal }) => ({
        index: id,
        name,
        ...defined("memoryTotalMB", memTotal === undefined ? undefined : Math.round(Number(memTotal) / mebibyte)),
      })),
    disks: info.disks.map(({ mount, device = "", total }) => ({
      mount: mount ?? device,
      ...defined("totalGB", tenths(total)),
    })),
    nics: info.nics.map((nic) => ({ name: nic.name ?? "", ipv4: ipv4Of(nic) })),
  };
}

/**
 * What any of some lists has, the first one that has it: an exporter that obeys its configuration reports only what is
 * selected, and what is not must be there to be selected again. GPUs by index; disks and interfaces in the order of the last
 * list, so that a device keeps its place when it is no longer reported.
 */
export function joined(all: readonly Capabilities[]): Capabilities {
  const [cores] = all.flatMap(({ cpuCores }) => cpuCores ?? []);
  const [memory] = all.flatMap(({ memoryTotalGB }) => memoryTotalGB ?? []);
  return {
    ...defined("cpuCores", cores),
    ...defined("memoryTotalGB", memory),
    gpus: unique(lists(all, "gpus"), ({ index }) => index).sort((a, b) => a.index - b.index),
    disks: unique(lists(all, "disks"), ({ mount }) => mount),
    nics: unique(lists(all, "nics"), ({ name }) => name),
  };
}

/** One kind of device of each list, the last list first. */
const lists = <K extends "gpus" | "disks" | "nics">(all: readonly Capabilities[], kind: K): Capabilities[K][number][] =>
  all.toReversed().flatMap((one): readonly Capabilities[K][number][] => one[kind]);

/** The last of each key, in the place of the first. */
const unique = <T>(items: readonly T[], keyOf: (item: T) => unknown): T[] => [
  ...new Map(items.map((item) => [keyOf(item), item])).values(),
];

const tenths = (bytes: bigint | undefined): number | undefined =>
  bytes === undefined ? undefined : Math.round((Number(bytes) / gibibyte) * 10) / 10;

const ipv4Of = ({ addresses }: NicInfo): string => addresses.find((address) => !address.includes(":")) ?? "";

/** An object with the value, or none without it. */
const defined = <K extends string, T>(key: K, value: T | undefined): { readonly [P in K]?: T } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: T };
